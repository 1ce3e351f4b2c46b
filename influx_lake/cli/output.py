"""The output of a command: results on stdout, progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from influx_lake.cli import failures
from influx_lake.printable import printable, printable_name

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


class Output:
    """The two streams of one command.

    With `--json` stdout gets exactly one object; other output to stdout, such as a library's, is redirected to stderr.

    Args:
        as_json: Whether a program reads the result.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._stdout = sys.stdout
        if as_json:
            sys.stdout = sys.stderr

    def line(self, text: str = "") -> None:
        """Print a line of the result, unless `--json`."""
        if not self.as_json:
            from influx_lake.config import redact

            sys.stdout.write(f"{printable(redact(text))}\n")
            sys.stdout.flush()

    def note(self, text: str) -> None:
        """Print progress or a warning to stderr."""
        failures.note(text)

    def table(self, table: Table) -> None:
        """Print a table of the result, unless `--json`."""
        if not self.as_json:
            self.console().print(table)

    def result(self, content: dict[str, Any]) -> None:
        """Print the result as JSON, with `--json`. Once per command."""
        if self.as_json:
            sys.stdout = self._stdout
            sys.stdout.write(failures.as_object(content))
            sys.stdout.flush()

    def console(self) -> Console:
        """The console for tables: as wide as the terminal, 160 characters elsewhere."""
        from rich.console import Console

        # No markup: names may contain brackets or colons.
        return Console(width=None if sys.stdout.isatty() else 160, markup=False, emoji=False, highlight=False)


@contextmanager
def output(as_json: bool) -> Iterator[Output]:
    """A context with the output of one command; stdout is restored at its end."""
    former = sys.stdout
    try:
        yield Output(as_json)
    finally:
        sys.stdout = former


def plain_table(*columns: str, right: Sequence[str] = ()) -> Table:
    """A table without borders; columns named in `right` are right-aligned."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def add_row(table: Table, *cells: str) -> None:
    """Add a row to a table; text in it is not interpreted as markup."""
    table.add_row(*map(printable_name, cells))


def counted(number: int, noun: str, several: str | None = None) -> str:
    """A number with its noun: `1 window`, `2,000 windows`, or with an irregular plural `2 entries`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {several or f'{noun}s'}"
