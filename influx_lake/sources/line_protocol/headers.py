"""What `influx_inspect export` says between the points: how to make databases, and whose points follow."""

from __future__ import annotations

from dataclasses import dataclass, field

from influx_lake.sources.points.registry import Context

_DATABASE, _POLICY = b"# CONTEXT-DATABASE:", b"# CONTEXT-RETENTION-POLICY:"


@dataclass(slots=True)
class Headers:
    """Where a file is, by the comments that came so far.

    Attributes:
        context: Whose points the next lines are.
        in_ddl: Whether the next lines are statements, not points.
    """

    context: Context = field(default_factory=Context)
    in_ddl: bool = False

    def read(self, comment: bytes) -> bool:
        """Take a comment in, and return whether it is one of these."""
        if comment in (b"# DDL", b"# DML"):
            self.in_ddl = comment == b"# DDL"
        elif comment.startswith(_DATABASE):
            # The database's line comes first; its policy's follows.
            self.context = Context(_text(comment.removeprefix(_DATABASE)))
        elif comment.startswith(_POLICY):
            self.context = Context(self.context.database, _text(comment.removeprefix(_POLICY)))
        else:
            return False
        return True


def _text(raw: bytes) -> str | None:
    return raw.strip().decode(errors="replace") or None
