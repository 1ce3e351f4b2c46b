"""The state that the service's routes share: the lake, the journal of requests, and the workers."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from threading import Lock
from time import monotonic
from typing import Any, Protocol

from influx_lake.config import Lake, load_lake
from influx_lake.errors import ConfigurationError
from influx_lake.replication.requests.journal import Journal, KeyReused
from influx_lake.replication.requests.request import Kind, Request, Runner
from influx_lake.serve.gate.tokens import Tokens
from influx_lake.serve.problems import RETRY_SECONDS, Problem
from influx_lake.session import Session

log = logging.getLogger("influx_lake.serve")

LAKE_SECONDS = 10.0
"""How long a loaded lake.yaml, and what was discovered, are cached, in seconds."""


class Workers(Protocol):
    """Executes requests."""

    @property
    def is_stopping(self) -> bool:
        """Whether no more work is begun."""
        ...

    def wake(self) -> None:
        """Signal that there is work."""
        ...

    def check(self) -> None:
        """Check that work can be done.

        Raises:
            LakeError: It cannot.
        """
        ...


class Runs(Protocol):
    """Dagster runs that execute requests."""

    def follow(self, journal: Journal) -> None:
        """Record the progress of the runs.

        Args:
            journal: The journal of requests.
        """
        ...

    def check(self) -> None:
        """Check that runs are launched.

        Raises:
            LakeError: They are not.
        """
        ...


class Service:
    """The state of the service for one lake.

    Args:
        lake: The lake.
        runs: Dagster runs that execute the requests; None: the service's threads do.

    Raises:
        ConfigurationError: A token cannot be read.
        StorageError: The journal cannot be opened.

    Attributes:
        options: `serve` of lake.yaml.
        tokens: The accepted tokens.
        journal: The journal of requests.
        workers: The worker threads; set by who runs the service.
        runs: Runs of Dagster; None: the service does itself what is asked for.
    """

    def __init__(self, lake: Lake, runs: Runs | None = None) -> None:
        self.options = lake.serve
        self.tokens = Tokens(lake.serve.tokens)
        self.journal = Journal.of(lake.root)
        self.runs = runs
        self.workers: Workers | None = None
        self._lake = lake
        self._loaded = monotonic()
        self._lock = Lock()

    @property
    def lake(self) -> Lake:
        """The lake, reloaded where its files changed; while they have mistakes, as it was before."""
        with self._lock:
            if monotonic() - self._loaded >= LAKE_SECONDS:
                try:
                    self._lake = load_lake(self._lake.path)
                except ConfigurationError as error:
                    log.warning("the lake stays as it was: %s", error)
                self._loaded = monotonic()
            return self._lake

    @contextmanager
    def session(self, tell: Callable[[str], None] = lambda remark: None) -> Iterator[Session]:
        """Open the lake for one piece of work.

        Args:
            tell: Called with what is left out of a range, and why.
        """
        session = Session(self.lake, tell=tell)
        try:
            yield session
        finally:
            session.close()

    def accept(
        self,
        kind: Kind,
        body: Mapping[str, Any],
        key: str | None,
        *,
        own: bool = False,
        said: Mapping[str, Any] | None = None,
    ) -> Request:
        """Add a request to the journal.

        Args:
            kind: The kind of the request.
            body: The validated body.
            key: The idempotency key.
            own: Whether the service's threads execute it even where Dagster could.
            said: What has to match in requests with the same key; default: the body.

        Raises:
            Problem: Too many requests wait, or the key was used with another body.
        """
        runner = Runner.DAGSTER if self.runs is not None and not own else Runner.SERVICE
        fingerprint = hashlib.sha256(json.dumps([kind, said or body], sort_keys=True).encode()).hexdigest()
        if self.journal.count_open() >= self.options.limits.waiting and not self._is_known(key):
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{self.options.limits.waiting:,} requests wait or run already (`serve.limits.waiting`)",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
        try:
            request, is_new = self.journal.add(kind, runner, body, key=key, fingerprint=fingerprint)
        except KeyReused:
            message = "this Idempotency-Key came before with another request: take a new one for each"
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, message) from None
        if is_new:
            self.wake()
        return request

    def wake(self) -> None:
        """Signal that there is work."""
        if self.workers is not None:
            self.workers.wake()

    @property
    def is_stopping(self) -> bool:
        """Whether the service stops: clients that wait get the present state."""
        return self.workers is not None and self.workers.is_stopping

    def _is_known(self, key: str | None) -> bool:
        return key is not None and self.journal.has(key)

    def close(self) -> None:
        """Close the journal."""
        self.journal.close()
