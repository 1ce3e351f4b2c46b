"""What sources send over HTTP, and how much comes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

import pytest

from influx_lake.sources.http import HttpConnection


@dataclass
class Wire:
    """What went over the wire.

    Attributes:
        sent: The bodies of the requests.
        received: How many bytes their answers had.
    """

    sent: list[str] = field(default_factory=list)
    received: int = 0

    def clear(self) -> None:
        self.sent, self.received = [], 0


def recorded(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """Record it from now on."""
    wire, stream = Wire(), HttpConnection.stream

    class Counted:
        def __init__(self, answer: Any) -> None:
            self.answer, self.cancel = answer, answer.cancel

        def __iter__(self) -> Iterator[bytes]:
            for chunk in self.answer:
                wire.received += len(chunk)
                yield chunk

    @contextmanager
    def recording(self: HttpConnection, request: Any, failures: Any) -> Iterator[Any]:
        wire.sent.append(unquote_plus((request.body or b"").decode()))
        with stream(self, request, failures) as answer:
            yield Counted(answer)

    monkeypatch.setattr(HttpConnection, "stream", recording)
    return wire
