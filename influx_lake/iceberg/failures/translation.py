"""Translates errors of pyiceberg, its catalogs and its file systems to our own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from influx_lake.config.references.secret import leaks
from influx_lake.errors import LakeError, UnforeseenError
from influx_lake.iceberg.failures.catalog_messages import UNREACHABLE
from influx_lake.iceberg.failures.exceptions import RaisedBy, first_line, raised_by, text_of
from influx_lake.iceberg.failures.packages import missing_package
from influx_lake.iceberg.failures.rest import rest_error
from influx_lake.iceberg.failures.services import service_error
from influx_lake.iceberg.failures.settings import settings_error
from influx_lake.iceberg.failures.sql import sql_error
from influx_lake.iceberg.failures.store import store_error

__all__ = ["catalog_errors", "first_line", "safe_cause", "translate"]

_KNOWN = (missing_package, settings_error, rest_error, sql_error, service_error, store_error)


@contextmanager
def catalog_errors(doing: str) -> Iterator[None]:
    """Raise any exception inside as a LakeError that names the operation and the side that failed.

    Args:
        doing: The operation, as it follows "could not ...".

    Raises:
        CatalogError: The catalog failed.
        StorageError: A file could not be read or written.
        ConfigurationError: A property of the catalog is wrong, or a package is missing.
        UnforeseenError: Any other error.
    """
    try:
        yield
    except LakeError:
        raise
    except Exception as error:
        raise translate(error, doing) from safe_cause(error)


def translate(error: Exception, doing: str) -> LakeError:
    """Translate an error of pyiceberg, its catalogs or a file system to ours.

    Only errors that catalogs or stores are known to raise get a remedy.
    """
    if isinstance(error, ConnectionError | TimeoutError) and raised_by(error) is not RaisedBy.STORE:
        return UNREACHABLE.of(error, doing)
    for of_known in _KNOWN:
        if (found := of_known(error, doing)) is not None:
            return found
    return UnforeseenError(f"could not {doing}: {text_of(error)}", remedy=UnforeseenError.WHERE)


def safe_cause(error: BaseException) -> BaseException | None:
    """The error itself, to be shown as the cause, unless it contains a secret.

    pyiceberg, for one, prints all properties of a catalog that it does not know.
    """
    return None if leaks(error) else error
