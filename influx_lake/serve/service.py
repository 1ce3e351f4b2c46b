"""What the routes of the service share: the lake, the journal of requests and who works on them."""

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
"""How long a lake.yaml, and what was discovered, are taken for what they were."""


class Workers(Protocol):
    """Who works on what was asked for."""

    @property
    def is_stopping(self) -> bool:
        """Whether nothing more is begun."""
        ...

    def wake(self) -> None:
        """There is something to do."""
        ...

    def check(self) -> None:
        """See that they can work.

        Raises:
            LakeError: They cannot.
        """
        ...


class Runs(Protocol):
    """Runs of Dagster that load what was asked for."""

    def follow(self, journal: Journal) -> None:
        """Note what became of them.

        Args:
            journal: The requests.
        """
        ...

    def check(self) -> None:
        """See that they are launched.

        Raises:
            LakeError: They are not.
        """
        ...


class Service:
    """A lake that is served.

    Args:
        lake: The lake.
        runs: Runs of Dagster, where they are to load what is asked for.

    Raises:
        ConfigurationError: A token cannot be read.
        StorageError: The journal cannot be opened.

    Attributes:
        options: How the service is reached and what it takes.
        tokens: Who may ask.
        journal: What was asked for.
        crew: Works on it; set by who runs the service.
        runs: Runs of Dagster; None: the service does itself what is asked for.
    """

    def __init__(self, lake: Lake, runs: Runs | None = None) -> None:
        self.options = lake.serve
        self.tokens = Tokens(lake.serve.tokens)
        self.journal = Journal.of(lake.root)
        self.runs = runs
        self.crew: Workers | None = None
        self._lake = lake
        self._loaded = monotonic()
        self._lock = Lock()

    @property
    def lake(self) -> Lake:
        """The lake as its files are now, or were a few seconds ago; where they have mistakes, as it was before."""
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
        """The lake, opened for one piece of work.

        Args:
            tell: Told what is left out of a range, and why.
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
        """Keep a request, to be worked on.

        Args:
            kind: What is asked for.
            body: What was said.
            key: The idempotency key.
            own: Whether the service does it itself, also where Dagster is at hand.
            said: What tells it from other requests with the same key; the body where it is not given.

        Raises:
            Problem: There are too many, or the key came before with another body.
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
        """There is something to do."""
        if self.crew is not None:
            self.crew.wake()

    @property
    def is_stopping(self) -> bool:
        """Whether nothing more is begun: who waits is told how far it is."""
        return self.crew is not None and self.crew.is_stopping

    def _is_known(self, key: str | None) -> bool:
        return key is not None and self.journal.has(key)

    def close(self) -> None:
        """Close the journal."""
        self.journal.close()
