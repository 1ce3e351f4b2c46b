"""Progress on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from influx_lake.cli.failures import note
from influx_lake.printable import printable_name

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from influx_lake.config.values.windows import Window
    from influx_lake.iceberg.window_load import Progress


class Meter(Protocol):
    """Shows the progress of windows."""

    def begin(self, measurement: str, window: Window) -> None:
        """Start a window."""
        ...

    def update(self, progress: Progress) -> None:
        """Show the progress of the present window."""
        ...

    def end(self) -> None:
        """Finish a window."""
        ...


@contextmanager
def meter(windows: int) -> Iterator[Meter]:
    """The meter for a number of windows that suits stderr."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    with Progress(
        SpinnerColumn(),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("windows"),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
        console=Console(stderr=True),
        transient=True,
        # Output that is redirected to a file must not go to the terminal.
        redirect_stdout=sys.stdout.isatty(),
    ) as bars:
        yield Bar(bars, windows)


class Lines:
    """Prints a line every few seconds, for windows that take longer."""

    def begin(self, measurement: str, window: Window) -> None:
        self._subject = f"{printable_name(measurement)} {window}"

    def update(self, progress: Progress) -> None:
        note(f"{self._subject}: {so_far(progress)}")

    def end(self) -> None:
        pass


class Bar:
    """A progress bar over all windows, with the rows of the present one."""

    def __init__(self, bars: Bars, windows: int) -> None:
        self._bars = bars
        self._task = bars.add_task("", total=windows)

    def begin(self, measurement: str, window: Window) -> None:
        self._subject = f"{printable_name(measurement)} {window}"
        self._bars.update(self._task, description=self._subject)

    def update(self, progress: Progress) -> None:
        self._bars.update(self._task, description=f"{self._subject}: {so_far(progress)}")

    def end(self) -> None:
        self._bars.update(self._task, advance=1, refresh=True)


def so_far(progress: Progress) -> str:
    """The progress of a window as a phrase."""
    return f"{progress.rows:,} rows so far, {progress.rows_per_second:,.0f} rows/s"
