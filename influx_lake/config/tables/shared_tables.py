"""Tables that hold several measurements."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """A measurement's rows of a table that holds several measurements: those with its name in a column.

    Attributes:
        column: The column that holds the measurement's name, as the table calls it.
        value: What it holds in the measurement's rows.
        is_alone: Whether no other measurement is declared for the table. Then the whole table is the measurement's,
            unless others have been loaded into it before.
    """

    column: str
    value: str
    is_alone: bool = False
