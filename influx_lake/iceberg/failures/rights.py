"""Tells whether an error means that a right is missing."""

from __future__ import annotations

import errno
import re

from influx_lake.iceberg.failures.exceptions import class_names
from influx_lake.iceberg.failures.rest import status_of

_BY_NAME = {"ForbiddenError", "InsufficientPrivilege", "PermissionError"}
_CODES = {"AccessDenied", "AccessDeniedException", "AuthorizationFailure", "AuthorizationPermissionMismatch"}
_NUMBERS = {errno.EACCES, errno.EPERM, errno.EROFS}
_TEXT = re.compile(
    r"ACCESS_DENIED|AccessDenied|PERMISSION_DENIED|AuthorizationFailure|AuthorizationPermissionMismatch|"
    r"HTTP status 403|\[code 15\]|permission denied for|readonly database|not authorized to perform|"
    r"does not have storage\.objects"
)


def lacks_right(error: BaseException) -> bool:
    """Whether a catalog or a store refuses an operation for lack of rights, and not for lack of credentials."""
    code = getattr(error, "response", None)
    named = str(code.get("Error", {}).get("Code", "")) if isinstance(code, dict) else ""
    return bool(
        class_names(error) & _BY_NAME
        or named in _CODES
        or getattr(error, "errno", None) in _NUMBERS
        or status_of(error) == 403
        or _TEXT.search(str(error))
    )
