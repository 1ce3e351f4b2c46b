"""Readiness checks: whether the catalog, the sources and, where it launches runs, Dagster's daemon answer."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from influx_lake.errors import LakeError, naming

if TYPE_CHECKING:
    from influx_lake.serve.service import Service
    from influx_lake.session import Session

PATIENCE_SECONDS = 10.0
"""The timeout of one check, in seconds."""
KEPT_SECONDS = 5.0
"""How long a result is cached, in seconds."""
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of one check.

    Attributes:
        name: What was checked: `catalog`, `source default`.
        fault: Why it is not ready; None where it is.
    """

    name: str
    fault: str | None = None


class Readiness:
    """Runs the checks and caches their results.

    Args:
        service: The service to check.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = Lock()
        self._asked_at = float("-inf")
        self._answers: list[Answer] = []
        self._threads = ThreadPoolExecutor(_AT_ONCE, "ready")

    def answers(self) -> list[Answer]:
        """The result of each check."""
        with self._lock:
            if monotonic() - self._asked_at >= KEPT_SECONDS:
                self._answers = self._ask()
                self._asked_at = monotonic()
            return self._answers

    def _ask(self) -> list[Answer]:
        with self._service.session() as session:
            futures = {self._threads.submit(_fault_of, ask): name for name, ask in self._questions(session).items()}
            answered = wait(futures, PATIENCE_SECONDS).done
            return [Answer(name, _fault(future, future in answered)) for future, name in futures.items()]

    def _questions(self, session: Session) -> dict[str, Callable[[], object]]:
        lake = session.lake
        questions: dict[str, Callable[[], object]] = {"catalog": lambda: _namespaces(session)}
        # One check for each server, whatever the number of its databases.
        servers = {lake.entry_of(name): name for name in lake.sources}
        for entry, name in servers.items():
            questions[f"source {entry}"] = lambda name=name: session.source(name).server()  # type: ignore[misc]
        workers, runs = self._service.workers, self._service.runs
        if workers is not None:
            questions["service"] = workers.check
        if runs is not None:
            questions["dagster"] = runs.check
        return questions


def _namespaces(session: Session) -> None:
    # In a thread, since opening and asking may block.
    session.catalog.list_namespaces()


def _fault_of(ask: Callable[[], object]) -> str | None:
    try:
        with naming():
            ask()
    except LakeError as error:
        return str(error)
    return None


def _fault(future: Future[str | None], answered: bool) -> str | None:
    return future.result() if answered else f"has not answered within {PATIENCE_SECONDS:.0f} s"
