"""Isolates the points of a batch that a server refuses: by the lines its response names, else by bisection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from influx_lake.restore.delivery.batch import Batch, Refused


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's response to lines that it did not take completely.

    Attributes:
        reason: The server's message.
        named: The lines that it names, by index, each with its message.
        suspects: Lines that the message may be about.
        all_refused: Whether it says that it took none of the lines, for this reason.
        too_large: Whether the body was too large.
    """

    reason: str
    named: Mapping[int, str] = field(default_factory=dict)
    suspects: frozenset[int] = frozenset()
    all_refused: bool = False
    too_large: bool = False


Send = Callable[[Batch], Answer | None]
"""Sends lines; returns None where the server took all of them.

Raises:
    SourceError: It is not known what became of them, or nothing of the kind can be sent.
"""


def deliver(batch: Batch, send: Send) -> list[Refused]:
    """Send lines until the server has all that it accepts; returns the refused ones.

    Where the server refused some lines of a body, the others are sent again: it may have written them or not, and
    writing a point again changes nothing.

    Args:
        batch: The lines.
        send: Sends lines.
    """
    refused: list[Refused] = []
    waiting = [batch]
    while waiting:
        lines = waiting.pop()
        if not len(lines):
            continue
        answer = send(lines)
        if answer is None:
            continue
        if len(answer.named) == len(lines):
            refused += [lines.refusing(number, reason) for number, reason in answer.named.items()]
        elif len(lines) == 1:
            refused.append(lines.refusing(0, answer.reason))
        elif answer.all_refused:
            refused += [lines.refusing(number, answer.reason) for number in range(len(lines))]
        elif 0 < len(apart := {*answer.named, *answer.suspects}) < len(lines):
            # Named lines are sent separately too: servers may count lines differently.
            waiting += [lines.only(apart), lines.without(apart)]
        else:
            middle = len(lines) // 2
            waiting += [lines.part(middle, len(lines)), lines.part(0, middle)]
    return sorted(refused, key=lambda each: each.place)
