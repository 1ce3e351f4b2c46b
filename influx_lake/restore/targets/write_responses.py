"""Parses the responses of InfluxDB's write APIs that refuse points.

InfluxDB 1 and 2 quote each line that they cannot parse in one message, and count the points that were dropped for other
reasons (`partial write: ... dropped=2`); InfluxDB 3 lists line numbers.
"""

from __future__ import annotations

import json
import re
from typing import Any

from influx_lake.restore.delivery.batch import Batch
from influx_lake.restore.delivery.refused_points import Answer
from influx_lake.restore.lines.dialect import GO

_UNPARSED = "unable to parse '"
_DROPPED = re.compile(r"\s*dropped=(\d+)\s*\Z")
_CONFLICT = re.compile(r'input field "(.*?)" on measurement "', re.DOTALL)
_TOO_LARGE = 413


def answer_of(status: int, body: bytes, batch: Batch) -> Answer:
    """Parse a response with status 400, 413 or 422.

    Args:
        status: The status.
        body: The response's body.
        batch: The lines that were sent.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    reason = _reason(document) or body.decode(errors="replace").strip() or f"HTTP status {status}"
    if status == _TOO_LARGE:
        return Answer(reason, too_large=True)
    if isinstance(document, dict) and "data" in document:
        numbered = _numbered(document["data"], len(batch))
        return Answer(next(iter(numbered.values()), reason), numbered)
    if _UNPARSED in reason:
        return Answer(_undropped(reason), _unparsed(reason, batch))
    dropped, conflict = _DROPPED.search(reason), _CONFLICT.search(reason)
    suspects = _with_field(conflict[1], batch) if conflict else frozenset()
    # A lower bound: for points in several shards the number is that of one shard.
    return Answer(reason, suspects=suspects, all_refused=dropped is not None and int(dropped[1]) == len(batch))


def _reason(document: Any) -> str | None:
    if not isinstance(document, dict):
        return None
    found = document.get("error") or document.get("message")
    return found if isinstance(found, str) else None


def _numbered(data: Any, count: int) -> dict[int, str]:
    """The lines that InfluxDB 3 lists; its `line_number` counts from 1."""
    entries = data if isinstance(data, list) else [data]
    found: dict[int, str] = {}
    for each in entries:
        if not isinstance(each, dict):
            continue
        number, message = each.get("line_number"), each.get("error_message")
        if isinstance(number, int) and isinstance(message, str) and 1 <= number <= count:
            found.setdefault(number - 1, message)
    return found


def _unparsed(reason: str, batch: Batch) -> dict[int, str]:
    """The lines whose text a message of InfluxDB 1 or 2 quotes, each with the reason that follows."""
    numbers: dict[str, list[int]] = {}
    for number in range(len(batch)):
        numbers.setdefault(batch.line(number).decode(errors="replace"), []).append(number)
    found: dict[int, str] = {}
    for piece in reason.split(_UNPARSED)[1:]:
        at = piece.find("': ")
        while at >= 0 and piece[:at] not in numbers:
            at = piece.find("': ", at + 1)
        if at >= 0:
            message = _undropped(piece[at + 3 :]).strip()
            found |= dict.fromkeys(numbers[piece[:at]], f"unable to parse: {message}")
    return found


def _with_field(name: str, batch: Batch) -> frozenset[int]:
    """The lines that may have a field, by its name."""
    key = re.compile(rb"[ ,]" + re.escape(GO.field.written(name).encode()) + rb"=")
    return frozenset(number for number in range(len(batch)) if key.search(batch.line(number)))


def _undropped(reason: str) -> str:
    return _DROPPED.sub("", reason).strip()
