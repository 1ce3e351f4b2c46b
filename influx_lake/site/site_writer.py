"""Writes the site's files: `index.html`, and a page for each measurement in `measurements/`."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influx_lake.config import Lake
from influx_lake.config.values.units import counted, format_bytes, format_duration
from influx_lake.config.values.windows import MICROSECOND, Window
from influx_lake.errors import StorageError
from influx_lake.html.calendar import Day, calendar
from influx_lake.html.pages import page
from influx_lake.site.example_queries import snippets
from influx_lake.site.measurement_page import Described

if TYPE_CHECKING:
    from markupsafe import Markup

    from influx_lake.config import Measurement

FOLDER = "measurements"
_MARK = "<!-- influx-lake -->"
_NOT_IN_NAMES = re.compile(r"[^a-z0-9._-]")
_PACKAGE = "influx_lake.site"
_GAPS = 10


def write_site(lake: Lake, measurements: Sequence[Described], folder: Path) -> list[Path]:
    """Write all pages, and delete those of measurements that are gone; other files are left alone.

    Args:
        lake: The lake.
        measurements: What each page shows.
        folder: The folder; it is created where it is missing.

    Returns:
        The pages.

    Raises:
        StorageError: They cannot be written.
    """
    names = page_names(each.measurement for each in measurements)
    title = lake.name or "influx_lake"
    pages = {
        folder / "index.html": page(
            _PACKAGE,
            "index.html",
            script="search.js",
            title=title,
            measurements=[_entry(each, f"{FOLDER}/{names[each.measurement.path]}") for each in measurements],
        )
    }
    for each in measurements:
        pages[folder / FOLDER / names[each.measurement.path]] = _page(lake, title, each)
    try:
        for path, text in pages.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, text)
        _remove_others(folder / FOLDER, set(pages))
    except OSError as error:
        raise StorageError(f"{error.filename or folder} cannot be written: {error.strerror or error}") from error
    return list(pages)


def page_names(measurements: Iterable[Measurement]) -> dict[tuple[str, ...], str]:
    """A file name for each measurement, distinct on file systems that ignore case."""
    found: dict[tuple[str, ...], str] = {}
    for each in measurements:
        name = _NOT_IN_NAMES.sub("_", each.full_name.lower())[:100].lstrip(".")
        if name != each.full_name:
            name = f"{name}-{hashlib.sha256('/'.join(each.path).encode()).hexdigest()[:8]}"
        found[each.path] = f"{name}.html"
    return found


def _entry(each: Described, link: str) -> dict[str, Any]:
    measurement = each.measurement
    columns = [(column.name, " ".join(filter(None, (column.description, column.unit)))) for column in each.columns]
    words = [measurement.name, measurement.full_name, measurement.description or "", *measurement.owners]
    words += [f"{name} {value}" for name, value in measurement.tags.items()]
    words += [f"{rollup.table_name} {rollup.description or ''}" for rollup in measurement.rollups]
    return {
        "link": link,
        "name": measurement.full_name,
        "measurement": measurement.name,
        "description": measurement.description,
        "columns": columns,
        "rows": each.rows,
        "newest": _moment(each.coverage[-1].end if each.coverage else None),
        "words": " ".join(words).lower(),
    }


def _page(lake: Lake, title: str, each: Described) -> str:
    return page(
        _PACKAGE,
        "measurement.html",
        title=title,
        of=each,
        measurement=each.measurement,
        size=None if each.bytes is None else format_bytes(each.bytes),
        settings=list(_settings(each.measurement)),
        picture=_picture(each),
        legend=list(Day),
        covered=_covered(each),
        gaps=[_shown(gap) for gap in each.gaps[:_GAPS]],
        more_gaps=max(0, len(each.gaps) - _GAPS),
        moment=_moment,
        shown=_shown,
        snippets=snippets(lake, each.measurement, _newest_day(each)),
    )


def _picture(each: Described) -> Markup | None:
    return calendar(each.days, f"Days held of {each.measurement.full_name}", _covered(each)) if each.days else None


def _newest_day(each: Described) -> date:
    """The newest day that has rows, if any."""
    return (each.coverage[-1].end - MICROSECOND if each.coverage else each.measurement.scheme.start).date()


def _settings(measurement: Measurement) -> Iterator[tuple[str, str]]:
    scheme = measurement.scheme
    yield "Partitions", f"one {scheme.every}, {scheme.timezone}, from {_moment(scheme.start)}"
    yield "Loaded", f"{format_duration(measurement.lag)} after a partition is over"
    if measurement.tail is not None:
        yield "Open partition", f"new points every {format_duration(measurement.tail.every)}"
    yield "Write mode", str(measurement.write.mode)
    if measurement.retention is not None:
        yield "Kept", format_duration(measurement.retention.keep)
    if measurement.freshness is not None:
        yield "At most late", format_duration(measurement.freshness.fail)
    if measurement.transforms.where is not None:
        yield "Only rows where", measurement.transforms.where
    if measurement.write.sort_by:
        yield "Sorted by", ", ".join(map(str, measurement.write.sort_by))
    if measurement.owners:
        yield "Owners", ", ".join(measurement.owners)
    yield from measurement.tags.items()


def _covered(each: Described) -> str:
    """The calendar in words, for screen readers."""
    held = [*each.coverage, *each.tails]
    if not held:
        return "The lake holds none of it yet."
    first, last = min(window.start for window in held), max(window.end for window in held)
    said = f"From {_moment(first)} to {_moment(last)}, with {counted(len(each.gaps), 'gap')}."
    if not each.tails:
        return said
    return f"{said} What is newer than {_moment(each.tails[0].start)} is loaded again when its partition is over."


def _shown(window: Window) -> str:
    return f"{_moment(window.start)} to {_moment(window.end)}"


def _moment(value: datetime | None) -> str | None:
    if value is None:
        return None
    text = value.strftime("%Y-%m-%d %H:%M:%S")
    return f"{text.removesuffix(':00')} UTC" if not text.endswith(" 00:00:00") else text.removesuffix(" 00:00:00")


def _write(path: Path, text: str) -> None:
    """Write a file atomically."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False, newline="\n") as file:
        file.write(text)
    mask = os.umask(0)
    os.umask(mask)
    Path(file.name).chmod(0o666 & ~mask)
    Path(file.name).replace(path)


def _remove_others(folder: Path, pages: set[Path]) -> None:
    for path in folder.glob("*.html"):
        if path not in pages and _MARK in path.read_text(encoding="utf-8", errors="replace")[:200]:
            path.unlink()
