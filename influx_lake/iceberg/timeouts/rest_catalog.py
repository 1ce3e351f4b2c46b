"""pyiceberg's REST catalog with time-outs on every request, which renews tokens and vended credentials."""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pyiceberg.catalog import rest
from pyiceberg.catalog.rest.auth import (
    AuthManager,
    AuthManagerAdapter,
    LegacyOAuth2AuthManager,
    OAuth2AuthManager,
)
from pyiceberg.exceptions import OAuthError
from requests import HTTPError, PreparedRequest, Response, Session

from influx_lake.iceberg.storage.endpoints import take_plain_uploads
from influx_lake.iceberg.storage.vended_credentials import VendedFileIO, are_vended
from influx_lake.iceberg.timeouts.call_timeout import answer_within

if TYPE_CHECKING:
    from pyiceberg.table import CommitTableResponse, Table
    from pyiceberg.table.update import TableRequirement, TableUpdate

_LONGEST_CONNECTING_SECONDS = 10.0
_last_column: ContextVar[int | None] = ContextVar("last_column", default=None)
"""The highest field id that the table which is being committed to ever assigned."""
_WITHOUT_A_SERVER = ("LegacyOAuth2AuthManager", "BasicAuthManager", "NoopAuthManager")
"""The auth managers that request no token from a server."""


class RestCatalog(rest.RestCatalog):
    """A REST catalog with time-outs on its configuration, tokens and answers.

    Args:
        name: The catalog's name.
        answer_seconds: The time-out on the whole answer to a request.
        properties: pyiceberg's properties.
    """

    def __init__(self, name: str, answer_seconds: float, **properties: Any) -> None:
        self._answer_seconds = answer_seconds
        super().__init__(name, **properties)

    def _config_headers(self, session: Session) -> None:
        # The first method that is called with each session, before a token is requested.
        super()._config_headers(session)
        _bound(session, self._answer_seconds)

    def _create_session(self) -> Session:
        session = super()._create_session()
        manager = self._auth_manager
        if isinstance(manager, LegacyOAuth2AuthManager):
            manager._session = self._session_for_tokens(session)
        elif manager is not None and type(manager).__name__ not in _WITHOUT_A_SERVER:
            session.auth = _BoundedAuth(manager, self._answer_seconds)
        return session

    def _session_for_tokens(self, session: Session) -> Session:
        """A session that does not sign requests with the expired token: token servers refuse it."""
        plain = Session()
        self._config_headers(plain)
        plain.verify, plain.cert = session.verify, session.cert
        return plain

    def _refresh_token(self) -> None:
        super()._refresh_token()
        if isinstance(self._auth_manager, OAuth2AuthManager):
            # It knows when its token expires, but not that the catalog no longer accepts it.
            self._auth_manager.token_provider._token = None

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """Commit updates; see pyiceberg."""
        before = _last_column.set(table.metadata.last_column_id)
        try:
            done: CommitTableResponse = super().commit_table(table, requirements, updates)
        finally:
            _last_column.reset(before)
        return done

    def _response_to_table(self, identifier_tuple: tuple[str, ...], table_response: rest.TableResponse) -> Table:
        table = super()._response_to_table(identifier_tuple, table_response)
        # The endpoint may be in the catalog's configuration, or in its answer about the table.
        take_plain_uploads(table.io.properties)
        told = [table_response.config, *(each.config for each in table_response.storage_credentials)]
        if any(map(are_vended, told)):
            table.io = VendedFileIO(table.io, lambda: self.load_table(identifier_tuple).io)
        return table


class _BoundedAuth(AuthManagerAdapter):
    """Tokens of other servers, with a time-out that the clients which request them lack."""

    def __init__(self, manager: AuthManager, seconds: float) -> None:
        super().__init__(manager)
        self._seconds = seconds

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        authorize = super().__call__
        try:
            return answer_within(self._seconds, "the server of access tokens", lambda: authorize(request))
        except HTTPError as error:
            if error.response is not None and error.response.status_code < 500:
                raise OAuthError(f"the server of access tokens refused: {error}") from error
            raise


def _bound(session: Session, seconds: float) -> None:
    send = session.send

    def bounded(request: PreparedRequest, **options: Any) -> Response:
        # The second time-out ends the thread of an answer that is no longer waited for.
        options["timeout"] = (min(seconds, _LONGEST_CONNECTING_SECONDS), 2 * seconds)
        _add_last_column(request)
        host = urlsplit(str(request.url)).netloc.rpartition("@")[2]
        return answer_within(seconds, host, lambda: send(request, **options))

    session.send = bounded  # type: ignore[method-assign]


def _add_last_column(request: PreparedRequest) -> None:
    """Add `last-column-id` to new schemas, which is optional and pyiceberg leaves out: Nessie 0.99 answers 500 then."""
    last = _last_column.get()
    if last is None or not isinstance(request.body, bytes) or b'"add-schema"' not in request.body:
        return
    asked = json.loads(request.body)
    for update in asked["updates"]:
        if update["action"] == "add-schema":
            update.setdefault("last-column-id", max(last, _highest_id(update["schema"])))
    request.prepare_body(json.dumps(asked).encode(), None)


def _highest_id(part: Any) -> int:
    """The highest id of the columns in a schema, including nested ones."""
    if isinstance(part, list):
        return max(map(_highest_id, part), default=0)
    if not isinstance(part, dict):
        return 0
    own = [part[name] for name in ("id", "element-id", "key-id", "value-id") if isinstance(part.get(name), int)]
    return max([*own, *map(_highest_id, part.values())], default=0)
