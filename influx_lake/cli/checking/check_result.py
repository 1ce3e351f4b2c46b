"""The result of a single check of `influx-lake check`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from influx_lake.config import redact
from influx_lake.errors import LakeError, UnforeseenError


@dataclass(frozen=True, slots=True)
class Check:
    """The result of a check.

    Attributes:
        name: The kind of object: config, source, changes, measurement, pattern, files, catalog, table, permission,
            engine.
        subject: The object's name.
        ok: Whether the check passed.
        detail: The finding.
        remedy: What to do about it.
        warning: Whether it passed, but needs attention.
        found: More facts for `--json`: a table's format version, spec, owner and location; a permission's name, and the
            product's name for it.
    """

    name: str
    subject: str
    ok: bool
    detail: str
    remedy: str | None = None
    warning: bool = False
    found: Mapping[str, Any] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """The check as JSON."""
        return asdict(self)


def attempt(name: str, subject: str, look: Callable[[], str]) -> Check:
    """Run a check; an error becomes a failed check."""
    try:
        return Check(name, subject, True, redact(look()))
    except LakeError as error:
        return Check(name, subject, False, redact(error.message), redact(error.remedy or "") or None)
    except Exception as error:
        # Unexpected; the other checks are still useful.
        return Check(name, subject, False, redact(f"{type(error).__name__}: {error}"), UnforeseenError.WHERE)
