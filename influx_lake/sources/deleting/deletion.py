"""The protocol of deletions at a source."""

from __future__ import annotations

from typing import Protocol

from influx_lake.config.values.windows import Window


class Deletion(Protocol):
    """Deletes windows of measurements at one source."""

    def objection(self, measurement: str, window: Window) -> str | None:
        """Why a window cannot be deleted alone, in words; None where it can.

        Raises:
            SourceError: The server has to be asked, and fails.
        """
        ...

    def delete(self, measurement: str, window: Window) -> None:
        """Delete every point of a window; can be repeated.

        Raises:
            SourceError: The server refuses, or does not answer: then it may have deleted them, or be deleting them.
        """
        ...

    def close(self) -> None:
        """Release connections."""
        ...


class NoDeletion:
    """A source that cannot delete a window.

    Args:
        why: The reason, and what can be done instead.
    """

    def __init__(self, why: str) -> None:
        self._why = why

    def objection(self, measurement: str, window: Window) -> str | None:  # noqa: ARG002 - it holds for all
        """The reason."""
        return self._why

    def delete(self, measurement: str, window: Window) -> None:
        """Never called: there is an objection to every window."""
        raise NotImplementedError(f"{measurement} {window}: {self._why}")

    def close(self) -> None:
        """Does nothing."""
