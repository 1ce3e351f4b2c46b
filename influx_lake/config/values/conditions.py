"""Conditions on rows that are pushed down to sources, in SQL's three-valued logic: a row is wanted where its condition
is true, not where it is false or null.
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


def not_false(condition: Condition) -> Condition:
    """A condition that is true where another one is true or null, and false where that is false."""
    match condition:
        case Compared():
            return AnyOf((condition, IsNull(condition.column)))
        case IsNull():
            return condition
        case Not():
            return _not_true(condition.part)
        case All():
            return All(tuple(map(not_false, condition.parts)))
        case AnyOf():
            return AnyOf(tuple(map(not_false, condition.parts)))


def _not_true(condition: Condition) -> Condition:
    """A condition that is true where another one is false or null, and false where that is true."""
    match condition:
        case Compared():
            return AnyOf((Not(condition), IsNull(condition.column)))
        case IsNull():
            return Not(condition)
        case Not():
            return not_false(condition.part)
        case All():
            return AnyOf(tuple(map(_not_true, condition.parts)))
        case AnyOf():
            return All(tuple(map(_not_true, condition.parts)))


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
