"""What an error of a catalog says about the commit that it ended."""

from __future__ import annotations

import errno
from enum import Enum

_LOST_BY_NAME = {
    # pyiceberg
    "CommitFailedException",
    "ValidationException",
    "WaitingForLockException",
    "TooManyRequestsError",
    # Hive's own, where pyiceberg hands them on
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
_REFUSED_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}


class Outcome(Enum):
    """What became of a commit that ended with an error.

    Attributes:
        LOST: It did not take place: another writer was first, or the catalog was busy. The next try may succeed.
        REFUSED: It did not take place, and the next try would not either.
        UNKNOWN: It may have taken place, or may do so yet.
    """

    LOST = "lost"
    REFUSED = "refused"
    UNKNOWN = "unknown"


def outcome_of(error: BaseException) -> Outcome:
    """Tell what an error of any catalog says about the commit; unknown unless it is certain.

    Classes are told by name: boto3, thrift and database drivers are there only when a catalog of theirs is used.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & _LOST_BY_NAME or _is_hive_conflict(error, names):
        return Outcome.LOST
    is_refused = isinstance(error, OSError) and error.errno in _REFUSED_ERRNOS
    if names & _REFUSED_BY_NAME or is_refused or is_hive_type_unknown(error):
        return Outcome.REFUSED
    if "SQLAlchemyError" in names:
        return _sql_outcome(error, names)
    return _aws_outcome(error) if "ClientError" in names else Outcome.UNKNOWN


def is_hive_type_unknown(error: BaseException) -> bool:
    """Whether a Hive Metastore does not know a type: Hive 2 has none for times with a zone."""
    return type(error).__name__ == "MetaException" and "type expected at the position" in str(error)


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
