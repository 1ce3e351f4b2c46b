"""Taking secrets out of texts that leave: which texts are secret, how they may be spelled, and where they are found."""

from __future__ import annotations

from influx_lake.config.redaction.known import HIDDEN, forget, leaks, redact, redacted, remember

__all__ = ["HIDDEN", "forget", "leaks", "redact", "redacted", "remember"]
