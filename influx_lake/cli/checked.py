"""What `influx-lake check` says of one thing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What kind of thing: config, source, measurement, pattern, files, catalog, table, warehouse.
        subject: Which one.
        ok: Whether it is as it should be.
        detail: What was found.
        remedy: What to do about it.
        warning: Whether it may be as it should be, and is to be looked at.
    """

    name: str
    subject: str
    ok: bool
    detail: str
    remedy: str | None = None
    warning: bool = False

    def facts(self) -> dict[str, Any]:
        """The same for programs."""
        return asdict(self)
