"""Conditions on the columns of a row that a source can be asked for, in SQL's three-valued logic: a row is wanted where
its condition is true, not where it is false or null.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Operator(StrEnum):
    """How a column's value is compared with a literal."""

    EQUAL = "="
    NOT_EQUAL = "<>"
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="


Literal: TypeAlias = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Compared:
    """A column's value compared with a literal: null where the value is null. Texts compare by their code points.

    Attributes:
        column: The column, by its name in the source.
        operator: How it is compared.
        literal: A text for tags and strings, a number for numbers, a boolean for booleans.
    """

    column: str
    operator: Operator
    literal: Literal


@dataclass(frozen=True, slots=True)
class IsNull:
    """Whether a column has no value: never null itself.

    Attributes:
        column: The column, by its name in the source.
    """

    column: str


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite; null where the part is null."""

    part: Condition


@dataclass(frozen=True, slots=True)
class All:
    """Whether all of its parts are true."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Whether one of its parts is true, at least."""

    parts: tuple[Condition, ...]


Condition: TypeAlias = Compared | IsNull | Not | All | AnyOf


def columns_of(condition: Condition) -> Iterator[str]:
    """The columns that a condition looks at, each as often as it does."""
    match condition:
        case Compared() | IsNull():
            yield condition.column
        case Not():
            yield from columns_of(condition.part)
        case All() | AnyOf():
            for part in condition.parts:
                yield from columns_of(part)
