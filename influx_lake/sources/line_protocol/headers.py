"""The comments of `influx_inspect export`: statements that create databases, and the context of the points that
follow.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from influx_lake.sources.points.registry import Context

_DATABASE, _POLICY = b"# CONTEXT-DATABASE:", b"# CONTEXT-RETENTION-POLICY:"


@dataclass(slots=True)
class Headers:
    """The state given by the comments read so far.

    Attributes:
        context: The context of the next lines' points.
        in_ddl: Whether the next lines are statements, not points.
    """

    context: Context = field(default_factory=Context)
    in_ddl: bool = False

    def read(self, comment: bytes) -> bool:
        """Apply a comment; return whether it is one of these."""
        if comment in (b"# DDL", b"# DML"):
            self.in_ddl = comment == b"# DDL"
        elif comment.startswith(_DATABASE):
            # The line of the database comes before that of the policy.
            self.context = Context(_text(comment.removeprefix(_DATABASE)))
        elif comment.startswith(_POLICY):
            self.context = Context(self.context.database, _text(comment.removeprefix(_POLICY)))
        else:
            return False
        return True


def _text(raw: bytes) -> str | None:
    return raw.strip().decode(errors="replace") or None
