"""Redacts secrets in texts that leave the process, however they are encoded."""

from __future__ import annotations

from influx_lake.config.redaction.redactor import HIDDEN, forget, leaks, redact, redacted, remember

__all__ = ["HIDDEN", "forget", "leaks", "redact", "redacted", "remember"]
