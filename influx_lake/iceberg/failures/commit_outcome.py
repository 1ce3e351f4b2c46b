"""Determines from the error that ended a commit whether the commit took place."""

from __future__ import annotations

from enum import Enum

from influx_lake.iceberg.failures.exceptions import RaisedBy, class_names, raised_by
from influx_lake.iceberg.failures.rest import status_of
from influx_lake.iceberg.failures.services import is_hive_type_unknown

_LOST_BY_NAME = {
    # pyiceberg
    "CommitFailedException",
    "ValidationException",
    "WaitingForLockException",
    "TooManyRequestsError",
    # Hive's own, where pyiceberg passes them on
    "NoSuchLockException",
    "TxnAbortedException",
}
_REFUSED_BY_NAME = {
    "BadRequestError",
    "UnauthorizedError",
    "ForbiddenError",
    "AuthorizationExpiredError",
    "OAuthError",
    "NoCredentialsError",
    "SignError",
    "NoSuchTableError",
    "NoSuchNamespaceError",
    "NotImplementedError",
    "LakeError",
}
_LOST_AWS_CODES = {
    "ConcurrentModificationException",
    "ConcurrentRunsExceededException",
    "RequestLimitExceeded",
    "ResourceNotReadyException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_REFUSED_AWS_CODES = {"AccessDeniedException", "EntityNotFoundException", "InvalidInputException", "ExpiredToken"}
_LOST_SQL_STATES = {"40001", "40P01", "55P03"}
"""PostgreSQL: serialization failure, deadlock, lock not available."""
_LOST_MYSQL_NUMBERS = {1205, 1213}
"""Lock wait timeout, deadlock."""
_LOST_HIVE_TEXTS = ("has been modified", "failed to acquire lock")
_UNDECIDED_STATUSES = {408, 425, 429}
"""Statuses 4xx that say nothing about the request itself."""


class Outcome(Enum):
    """The outcome of a commit that ended with an error.

    Attributes:
        LOST: It did not take place: another writer was first, or the catalog was busy. The next attempt may succeed.
        REFUSED: It did not take place, and the next attempt would not either.
        UNKNOWN: It may have taken place, or may do so yet.
    """

    LOST = "lost"
    REFUSED = "refused"
    UNKNOWN = "unknown"


def outcome_of(error: BaseException) -> Outcome:
    """The outcome of a commit that ended with an error of any catalog; unknown unless it is certain.

    Classes are compared by name: boto3, thrift and database drivers are installed only for catalogs that need them.
    """
    names = class_names(error)
    if names & _LOST_BY_NAME or _is_hive_conflict(error, names):
        return Outcome.LOST
    if names & _REFUSED_BY_NAME or _is_refused_status(error, names) or is_hive_type_unknown(error):
        return Outcome.REFUSED
    if "SQLAlchemyError" in names:
        return _sql_outcome(error, names)
    if "ClientError" in names:
        return _aws_outcome(error)
    return Outcome.REFUSED if _is_before_the_commit(error, names) else Outcome.UNKNOWN


def _is_refused_status(error: BaseException, names: set[str]) -> bool:
    status = status_of(error) if "RESTError" in names else None
    return status is not None and 400 <= status < 500 and status not in _UNDECIDED_STATUSES


def _is_before_the_commit(error: BaseException, names: set[str]) -> bool:
    """Whether writing the table's new metadata failed: the catalog is asked to commit it only afterwards."""
    return isinstance(error, OSError) and "RequestException" not in names and raised_by(error) is RaisedBy.STORE


def _is_hive_conflict(error: BaseException, names: set[str]) -> bool:
    return "MetaException" in names and any(text in str(error).lower() for text in _LOST_HIVE_TEXTS)


def _sql_outcome(error: BaseException, names: set[str]) -> Outcome:
    original = getattr(error, "orig", None)
    state = getattr(original, "pgcode", None) or getattr(original, "sqlstate", None)
    number = next(iter(getattr(original, "args", ())), None)
    busy = state in _LOST_SQL_STATES or number in _LOST_MYSQL_NUMBERS or "database is locked" in str(original)
    return Outcome.LOST if busy or names & {"IntegrityError", "TimeoutError"} else Outcome.UNKNOWN


def _aws_outcome(error: BaseException) -> Outcome:
    code = getattr(error, "response", {}).get("Error", {}).get("Code")
    if code in _LOST_AWS_CODES:
        return Outcome.LOST
    return Outcome.REFUSED if code in _REFUSED_AWS_CODES else Outcome.UNKNOWN
