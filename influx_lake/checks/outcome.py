"""What a check found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from influx_lake.config import Severity

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 10
"""How many examples are shown of what is wrong."""

Figure: TypeAlias = "int | float | str | datetime | Mapping[str, object] | pa.Table"
"""Numbers are plotted over time; a table holds examples."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found.

    Attributes:
        passed: Whether all is well.
        message: What was found, for people; `Subject.about` puts measurement and window before it.
        figures: The numbers behind it.
        severity: How bad it is, where the check itself knows better than its setting.
    """

    passed: bool
    message: str
    figures: Mapping[str, Figure] = field(default_factory=dict)
    severity: Severity | None = None


def listed(items: Iterable[object]) -> str:
    """The first few of many, for a message."""
    shown = [str(item) for item in items]
    more = len(shown) - 3
    return ", ".join(shown[:3]) + (f" and {more:,} more" if more > 0 else "")
