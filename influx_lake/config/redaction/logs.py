"""Redacts secrets in Python's log records, of all libraries."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any


def guard_log_records(redact: Callable[[str], str]) -> None:
    """Install redaction of every log record of this process, once.

    Libraries log responses, and Dagster stores logs in its event log.

    Args:
        redact: Redacts a text.
    """
    former = logging.getLogRecordFactory()
    if getattr(former, "is_guarded", False):
        return

    def guarded(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = former(*args, **kwargs)
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            # The arguments do not match the message; logging reports that itself.
            return record
        if (shown := redact(message)) != message:
            record.msg, record.args = shown, ()
        if record.exc_info and record.exc_info[1] is not None:
            text = "".join(traceback.format_exception(record.exc_info[1])).rstrip("\n")
            if (shown := redact(text)) != text:
                record.exc_info, record.exc_text = None, shown
        return record

    guarded.is_guarded = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(guarded)
