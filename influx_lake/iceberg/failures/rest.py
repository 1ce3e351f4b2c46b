"""Errors of catalogs over HTTP (Iceberg's REST protocol), and of pyiceberg for catalogs of any kind."""

from __future__ import annotations

import re
from collections.abc import Iterable

from influx_lake.errors import (
    CatalogRefused,
    CatalogUnavailable,
    CommitConflict,
    ConfigurationError,
    LakeError,
    StorageError,
    TableUnsupported,
)
from influx_lake.iceberg.failures.catalog_messages import (
    BUSY,
    NO_ENTRY,
    NO_HOST,
    NO_RIGHT,
    NOT_IN_TIME,
    UNREACHABLE,
    Meaning,
    first,
    of_tls,
)
from influx_lake.iceberg.failures.exceptions import RaisedBy, class_names, holds_page, raised_by

_OTHER_SERVER = (
    "Check `uri` under `catalog:` in lake.yaml, its path included, and HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the "
    "environment"
)
_NO_CATALOG = Meaning(
    CatalogRefused, "the answer from its address is not that of an Iceberg REST catalog", _OTHER_SERVER
)
_BROKEN_OFF = Meaning(CatalogUnavailable, "the answer broke off", BUSY.remedy)
_TRANSPORT = (
    (
        {"InvalidSchema", "MissingSchema", "InvalidURL"},
        Meaning(
            ConfigurationError,
            "its URI is not an http or https URL",
            "Write `uri` under `catalog:` in lake.yaml with http:// or https://",
        ),
    ),
    (
        {"ProxyError"},
        Meaning(
            CatalogUnavailable,
            "the proxy does not let it through",
            "Check HTTPS_PROXY and HTTP_PROXY in the environment; NO_PROXY lists hosts to reach without it",
        ),
    ),
    ({"ReadTimeout"}, NOT_IN_TIME),
    ({"ConnectionError"}, UNREACHABLE),
    ({"ChunkedEncodingError", "ContentDecodingError"}, _BROKEN_OFF),
)
_ANSWERS = (
    ({"UnauthorizedError", "AuthorizationExpiredError", "OAuthError", "SignError", "401"}, NO_ENTRY),
    ({"ForbiddenError"}, NO_RIGHT),
    (
        {"407"},
        Meaning(
            CatalogUnavailable,
            "the proxy does not let it through",
            "Write the proxy's user and password into HTTPS_PROXY and HTTP_PROXY in the environment; NO_PROXY lists "
            "hosts to reach without it",
        ),
    ),
    (
        {"CommitStateUnknownException"},
        Meaning(CatalogUnavailable, "the catalog does not say whether it was done", BUSY.remedy),
    ),
    ({"ServiceUnavailableError", "ServerError", "TooManyRequestsError", "408", "425", "429"}, BUSY),
)
_OF_ANY_CATALOG = (
    (
        {"CommitFailedException", "ValidationException", "WaitingForLockException"},
        Meaning(
            CommitConflict,
            "another writer was first",
            "Run it again when fewer runs write to this table at once",
        ),
    ),
    (
        {"NoSuchTableError", "NoSuchNamespaceError", "NoSuchIdentifierError"},
        Meaning(CatalogRefused, "the catalog does not have it"),
    ),
)
_FOR_A_REASON = (400, 403, 406, 422)
"""Statuses that mean that the server understood the request, and refuses it."""
_NOT_ABLE = Meaning(
    CatalogRefused,
    "this kind of catalog cannot do that",
    "Use another kind of catalog: set `type` and `uri` under `catalog:` in lake.yaml",
)

_VERSION_3 = Meaning(
    TableUnsupported,
    "the table has format version 3, and pyiceberg writes no metadata of that yet",
    "Let Spark or Trino do this, or a REST catalog hold the table: it writes the metadata itself",
)


def rest_error(error: BaseException, doing: str) -> LakeError | None:
    """Translate an error of a catalog over HTTP, or of pyiceberg; None for other errors."""
    names = class_names(error)
    meaning = NOT_IN_TIME if "AnswerTimeout" in names else first(names, _OF_ANY_CATALOG)
    if "RequestException" in names:
        meaning = _of_transport(error, names)
    elif names & {"RESTError", "OAuthError", "SignError"}:
        return _answered(error, names, doing)
    elif "ValidationError" in names:
        meaning = _of_content(error)
    elif isinstance(error, NotImplementedError) and "Writing V3" in str(error):
        meaning = _VERSION_3
    elif isinstance(error, NotImplementedError) and raised_by(error) is RaisedBy.CATALOG:
        meaning = _NOT_ABLE
    return meaning.of(error, doing) if meaning else None


def refused_properties(error: BaseException, properties: Iterable[str]) -> set[str]:
    """The properties of a new table that a REST catalog names in its refusal to create the table."""
    status = status_of(error) if "RESTError" in class_names(error) else None
    if status not in _FOR_A_REASON:
        return set()
    return {name for name in properties if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", str(error))}


def status_of(error: BaseException) -> int | None:
    """The HTTP status behind an error of pyiceberg's REST catalog."""
    response = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) else None


def _of_transport(error: BaseException, names: set[str]) -> Meaning:
    if "SSLError" in names:
        return of_tls(error)
    if "NameResolutionError" in str(error):
        return NO_HOST
    return first(names, _TRANSPORT) or _NO_CATALOG


def _answered(error: BaseException, names: set[str], doing: str) -> LakeError:
    status = status_of(error)
    meaning = first(names | {str(status)}, _ANSWERS)
    if holds_page(error):
        kind = meaning.kind if meaning and meaning.kind.transient else CatalogRefused
        problem = f"the answer is an HTML page with HTTP status {status}, which no catalog sends"
        meaning = Meaning(kind, problem, _OTHER_SERVER)
    elif meaning is None and status == 404 and doing.startswith("open the catalog"):
        meaning = Meaning(CatalogRefused, "at its address there is no Iceberg REST catalog", _OTHER_SERVER)
    return (meaning or Meaning(CatalogRefused, "the catalog refused")).of(error, doing)


def _of_content(error: BaseException) -> Meaning | None:
    """The meaning of content that does not conform to the protocol or the format; None for content of ours."""
    by = raised_by(error)
    if by is RaisedBy.STORE:
        return Meaning(
            StorageError,
            "a metadata file of the table is damaged",
            "Put the file back, or register the table again with an earlier metadata file",
        )
    if "EOF while parsing" in str(error) and "column 0" not in str(error):
        return _BROKEN_OFF
    is_pydantic = any(kind.__module__.startswith("pydantic") for kind in type(error).__mro__)
    return _NO_CATALOG if is_pydantic and by is RaisedBy.CATALOG else None
