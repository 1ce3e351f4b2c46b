"""The outcome of a check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from influx_lake.config import Severity

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 10
"""The number of examples in an outcome."""

Figure: TypeAlias = "int | float | str | datetime | Mapping[str, object] | pa.Table"
"""A figure of an outcome: numbers are plotted over time; a table holds examples."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a check.

    Attributes:
        passed: Whether the check passed.
        message: The finding, for people; `Subject.about` prepends measurement and window.
        figures: The figures.
        severity: The severity; None: that of the check's settings.
    """

    passed: bool
    message: str
    figures: Mapping[str, Figure] = field(default_factory=dict)
    severity: Severity | None = None


def listed(items: Iterable[object]) -> str:
    """The first few items, for a message."""
    shown = [str(item) for item in items]
    more = len(shown) - 3
    return ", ".join(shown[:3]) + (f" and {more:,} more" if more > 0 else "")
