"""pyiceberg's REST catalog, whose every request ends in time: its own have no time-out."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pyiceberg.catalog import rest
from pyiceberg.catalog.rest.auth import AuthManager, AuthManagerAdapter
from requests import PreparedRequest, Response, Session

from influx_lake.iceberg.timeouts.call_timeout import answer_within

_LONGEST_CONNECTING_SECONDS = 10.0
_WITHOUT_A_SERVER = ("LegacyOAuth2AuthManager", "BasicAuthManager", "NoopAuthManager")
"""Those that ask nobody for a token when a request is made."""


class RestCatalog(rest.RestCatalog):
    """A catalog whose configuration, tokens and answers are waited for no longer than is said.

    Args:
        name: The catalog's name.
        answer_seconds: The longest wait for the whole answer to one request.
        properties: pyiceberg's.
    """

    def __init__(self, name: str, answer_seconds: float, **properties: Any) -> None:
        self._answer_seconds = answer_seconds
        super().__init__(name, **properties)

    def _config_headers(self, session: Session) -> None:
        # The first that is done to each session, before it asks for a token.
        super()._config_headers(session)
        _bound(session, self._answer_seconds)

    def _create_session(self) -> Session:
        session = super()._create_session()
        manager = self._auth_manager
        if manager is not None and type(manager).__name__ not in _WITHOUT_A_SERVER:
            session.auth = _BoundedAuth(manager, self._answer_seconds)
        return session


class _BoundedAuth(AuthManagerAdapter):
    """Tokens of other servers, which those that fetch them wait for without end."""

    def __init__(self, manager: AuthManager, seconds: float) -> None:
        super().__init__(manager)
        self._seconds = seconds

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        authorize = super().__call__
        return answer_within(self._seconds, "the server of access tokens", lambda: authorize(request))


def _bound(session: Session, seconds: float) -> None:
    send = session.send

    def bounded(request: PreparedRequest, **options: Any) -> Response:
        # The second ends the thread of an answer that nobody waits for any more.
        options["timeout"] = (min(seconds, _LONGEST_CONNECTING_SECONDS), 2 * seconds)
        host = urlsplit(str(request.url)).netloc.rpartition("@")[2]
        return answer_within(seconds, host, lambda: send(request, **options))

    session.send = bounded  # type: ignore[method-assign]
