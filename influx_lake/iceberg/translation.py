"""Turns the errors of pyiceberg, its catalogs and its file systems into the project's own."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from influx_lake.config.secret import leaks, redact
from influx_lake.errors import CatalogRefused, CatalogUnavailable, LakeError, StorageError
from influx_lake.iceberg.outcome import is_hive_type_unknown

# Named, not imported: boto3 and thrift are there only when a catalog of theirs is used.
_UNREACHABLE = {
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "TTransportException",
    "ServiceUnavailableError",
    "TooManyRequestsError",
    "ServerError",
}
_FORBIDDEN = {
    "UnauthorizedError",
    "ForbiddenError",
    "AuthorizationExpiredError",
    "OAuthError",
    "NoCredentialsError",
    "SignError",
}
_CHECK_ADDRESS = "Check that the catalog runs and that `catalog:` in lake.yaml has its address"
_CHECK_CREDENTIALS = "Check the credentials under `catalog:` in lake.yaml"


@contextmanager
def catalog_errors(doing: str) -> Iterator[None]:
    """Raise what goes wrong inside as a `CatalogError` or `StorageError` that says what was being done.

    Args:
        doing: What is done, as the end of "could not ...".
    """
    try:
        yield
    except LakeError:
        raise
    except Exception as error:
        raise translate(error, doing) from safe_cause(error)


def translate(error: Exception, doing: str) -> LakeError:
    """The project's error for one of pyiceberg's, of its catalogs' or of a file system's."""
    from requests.exceptions import ConnectionError as RequestsConnectionError
    from requests.exceptions import Timeout
    from sqlalchemy.exc import InterfaceError, OperationalError

    names = {kind.__name__ for kind in type(error).__mro__}
    said = f"{type(error).__name__}: {first_line(error)}"
    unreachable = (RequestsConnectionError, Timeout, OperationalError, InterfaceError, ConnectionError, TimeoutError)
    if isinstance(error, unreachable) or names & _UNREACHABLE:
        return CatalogUnavailable(f"could not {doing}: the catalog cannot be reached ({said})", remedy=_CHECK_ADDRESS)
    if names & _FORBIDDEN:
        return CatalogRefused(f"could not {doing}: the catalog refused access ({said})", remedy=_CHECK_CREDENTIALS)
    if is_hive_type_unknown(error):
        return CatalogRefused(
            f"could not {doing}: Hive 2 has no type for times with a zone ({said})",
            remedy="Set `hive.hive2-compatible: true` under `catalog:` in lake.yaml",
        )
    if isinstance(error, OSError):
        return StorageError(f"could not {doing}: {said}", remedy=_storage_remedy(error))
    return CatalogRefused(f"could not {doing}: {said}", remedy=_CHECK_ADDRESS)


def safe_cause(error: BaseException) -> BaseException | None:
    """The error itself, to be shown as a cause, unless a secret would be shown with it.

    pyiceberg, for one, prints all its properties when it does not know a catalog.
    """
    return None if leaks(error) else error


def first_line(error: Exception) -> str:
    """The first line of an error's text, with no secret in it."""
    return (redact(str(error)).strip() or "no message").splitlines()[0]


def _storage_remedy(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
        return "Free space where the warehouse is, then run the window again; the table is unchanged"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "Give this process write access to the warehouse"
    return "Check the warehouse's address, credentials and free space"
