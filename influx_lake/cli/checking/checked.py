"""What `influx-lake check` says of one thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from influx_lake.config import redact
from influx_lake.errors import LakeError, UnforeseenError


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What kind of thing: config, source, changes, measurement, pattern, files, catalog, table, permission,
            engine.
        subject: Which one.
        ok: Whether it is as it should be.
        detail: What was found.
        remedy: What to do about it.
        warning: Whether it may be as it should be, and is to be looked at.
        found: What is known of it, for programs: of a table its format version, spec, owner and location; of a
            permission its name, and what who grants it calls it.
    """

    name: str
    subject: str
    ok: bool
    detail: str
    remedy: str | None = None
    warning: bool = False
    found: Mapping[str, Any] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """The same for programs."""
        return asdict(self)


def attempt(name: str, subject: str, look: Callable[[], str]) -> Check:
    """Look at one thing; what fails is what is wrong with it."""
    try:
        return Check(name, subject, True, redact(look()))
    except LakeError as error:
        return Check(name, subject, False, redact(error.message), redact(error.remedy or "") or None)
    except Exception as error:
        # Nobody foresaw it: the other checks are of use all the same.
        return Check(name, subject, False, redact(f"{type(error).__name__}: {error}"), UnforeseenError.WHERE)
