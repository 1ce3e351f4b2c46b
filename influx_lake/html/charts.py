"""Column and bar charts in SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from influx_lake.printable import printable_name

if TYPE_CHECKING:
    from markupsafe import Markup

_WIDTH, _HEIGHT = 860, 240
_LEFT, _RIGHT, _TOP, _BELOW = 84, 10, 12, 28
_LINES = 4
_MOST_LABELS = 18
_WIDEST = 48
_ROW, _NAMES = 22, 260
_STYLES = 4


def columns(
    labels: Sequence[str], series: Mapping[str, Sequence[float | None]], title: str, shown: Callable[[float], str]
) -> Markup:
    """Draw a column chart; the columns of several series stand side by side.

    Args:
        labels: The labels below the columns.
        series: The heights by series; None for no column.
        title: The title.
        shown: Formats a height.
    """
    from markupsafe import Markup

    highest = max((value for values in series.values() for value in values if value is not None), default=0) or 1
    inner, width = _HEIGHT - _TOP - _BELOW, _WIDTH - _LEFT - _RIGHT
    parts = []
    for line in range(_LINES + 1):
        y = _TOP + inner - inner * line / _LINES
        parts.append(Markup('<line class="axis" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(_LEFT, _WIDTH, y, y))
        text = Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>')
        parts.append(text.format(_LEFT - 6, y + 4, shown(highest * line / _LINES)))
    slot = width / max(1, len(labels))
    bar = min(slot * 0.8 / max(1, len(series)), _WIDEST)
    every = -(-len(labels) // _MOST_LABELS)
    for place, label in enumerate(labels):
        x = _LEFT + place * slot + (slot - bar * len(series)) / 2
        if place % every == 0:
            text = Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>')
            parts.append(text.format(_LEFT + (place + 0.5) * slot, _HEIGHT - 8, printable_name(label)))
        for number, (name, values) in enumerate(series.items()):
            value = values[place]
            if value:
                height = inner * value / highest
                parts.append(
                    Markup(
                        '<rect class="bar{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">'
                        "<title>{} {}: {}</title></rect>"
                    ).format(
                        number % _STYLES + 1,
                        x + number * bar,
                        _TOP + inner - height,
                        max(bar - 1, 1),
                        height,
                        printable_name(label),
                        printable_name(name),
                        shown(value),
                    )
                )
    return _picture(_WIDTH, _HEIGHT, title, Markup("").join(parts))


def rows(values: Mapping[str, float], title: str, shown: Callable[[float], str]) -> Markup:
    """Draw a bar chart, one bar for each name.

    Args:
        values: The lengths by name.
        title: The title.
        shown: Formats a length.
    """
    from markupsafe import Markup

    longest, width = max(values.values(), default=0) or 1, _WIDTH - _NAMES - 90
    parts = []
    for place, (name, value) in enumerate(values.items()):
        y, length = place * _ROW, width * value / longest
        text = Markup('<text x="{}" y="{}" text-anchor="end">{}</text>')
        parts.append(text.format(_NAMES - 8, y + 15, printable_name(name)))
        bar = Markup('<rect class="bar1" x="{}" y="{}" width="{:.1f}" height="{}" rx="2"/>')
        parts.append(bar.format(_NAMES, y + 4, max(length, 1), _ROW - 8))
        parts.append(Markup('<text x="{:.1f}" y="{}">{}</text>').format(_NAMES + length + 6, y + 15, shown(value)))
    return _picture(_WIDTH, max(1, len(values)) * _ROW, title, Markup("").join(parts))


def _picture(width: int, height: int, title: str, parts: Markup) -> Markup:
    from markupsafe import Markup

    frame = Markup('<svg role="img" viewBox="0 0 {} {}" width="{}" height="{}"><title>{}</title>{}</svg>')
    return frame.format(width, height, width, height, title, parts)
