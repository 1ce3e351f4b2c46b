"""Reports a load that was stopped: which windows are loaded, and the command that continues."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from influx_lake.cli.output import Output, counted
from influx_lake.config.values.windows import utc_text
from influx_lake.printable import printable_name

if TYPE_CHECKING:
    from influx_lake.cli.loading import Loaded
    from influx_lake.config import Measurement
    from influx_lake.config.values.windows import Window

_COMMANDS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class RepeatedCommand:
    """The command that was stopped, to be repeated.

    Attributes:
        options: Its options; None for those that were not given.
        flags: Its flags.
        only_missing: Whether it skips loaded windows; otherwise it would start over.
    """

    options: Mapping[str, object]
    flags: Sequence[str]
    only_missing: bool

    def command(self, measurement: Measurement, windows: Sequence[Window]) -> str:
        """The command that loads the remaining windows of a measurement."""
        bounds = {"--start": utc_text(windows[0].start), "--end": utc_text(windows[-1].end)}
        stated = {**bounds, **{name: value for name, value in self.options.items() if value}}
        words = [word for name, value in stated.items() for word in (name, str(value))]
        missing = ["--missing-only"] if self.only_missing else []
        return shlex.join(["influx-lake", "replicate", measurement.full_name, *words, *missing, *self.flags])


def report_stop(out: Output, loaded: Loaded, again: RepeatedCommand) -> None:
    """Print which windows are loaded and how to continue; the window under way is unchanged."""
    left = loaded.left
    failed = f", {len(loaded.failures):,} failed" if loaded.failures else ""
    count = sum(len(windows) for _, windows in left)
    out.note(f"Stopped: {counted(loaded.windows, 'window')} of {loaded.planned:,} loaded{failed}, {count:,} left.")
    for each in loaded.measurements:
        if each.windows:
            first, last = each.windows[0]["window"], each.windows[-1]["window"]
            name, done = printable_name(each.measurement.name), counted(len(each.windows), "window")
            out.note(f"  {name}: {done} loaded, " + (first if first == last else f"from {first} to {last}"))
    if not left:
        return
    out.note("The window that was being loaded is in its table as it was before. To go on:")
    for measurement, windows in left[:_COMMANDS_SHOWN]:
        out.note(f"  {again.command(measurement, windows)}")
    if len(left) > _COMMANDS_SHOWN:
        out.note(f"  and the same for {counted(len(left) - _COMMANDS_SHOWN, 'measurement')} more")
