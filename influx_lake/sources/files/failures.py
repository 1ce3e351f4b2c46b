"""Converts errors of file systems."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile

import pyarrow as pa
from isal.igzip_lib import IsalError

from influx_lake.errors import AuthenticationFailed, FileUnreadable, SourceUnavailable

_DAMAGED_GZIP: tuple[type[Exception], ...] = (EOFError, BadGzipFile, IsalError)  # type: ignore[assignment]
_DAMAGED = (
    "inflate",
    "decompress",
    "compressed",
    "frame descriptor",
    "gzip",
    "checksum",
    "deserialize",
    "Unexpected end of stream",
    "Corrupt",
)
_REFUSED = (
    "ACCESS_DENIED",
    "AccessDenied",
    "Access Denied",
    "403",
    "SIGNATURE",
    "INVALID_ACCESS_KEY",
    "PermissionDenied",
)


@contextmanager
def file_errors(what: str) -> Iterator[None]:
    """A context that converts errors of file systems.

    Args:
        what: The file or place, for the message.

    Raises:
        SourceError: The class tells what can be done.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise FileUnreadable(f"{what} does not exist", remedy="Correct `path`") from error
    except PermissionError as error:
        raise AuthenticationFailed(f"{what} may not be read", remedy="Grant the right to read it") from error
    except IsADirectoryError as error:
        raise FileUnreadable(f"{what} is a folder", remedy="Name the files in it") from error
    except pa.ArrowInvalid as error:
        raise FileUnreadable(f"{what} is damaged, or of another format: {error}", remedy="Write it again") from error
    except UnicodeDecodeError as error:
        problem = f"{what} contains a name that is not UTF-8: {error.object!r}"
        raise FileUnreadable(problem, remedy="Write it again, with its columns' names in UTF-8") from error
    except _DAMAGED_GZIP as error:
        raise _damaged(what, str(error)) from error
    except OSError as error:
        raise _sorted(error.strerror or str(error), what) from error
    except Exception as error:
        # Azure's errors have their own classes; their texts contain addresses, but no keys.
        if not type(error).__module__.startswith("azure."):
            raise
        raise _sorted(str(error).partition("\n")[0], what, getattr(error, "status_code", None)) from error


def _damaged(what: str, text: str) -> FileUnreadable:
    return FileUnreadable(f"{what} is damaged, or cut off: {text}", remedy="Write or copy it again")


def _sorted(
    text: str, what: str, status: int | None = None
) -> FileUnreadable | AuthenticationFailed | SourceUnavailable:
    if any(word in text for word in _DAMAGED):
        return _damaged(what, text)
    if status in (401, 403) or any(word in text for word in _REFUSED):
        return AuthenticationFailed(f"{what} may not be read: {text}", remedy="Check the keys in `storage`")
    return SourceUnavailable(f"{what} cannot be read: {text}", remedy="Check `path`, `storage` and the network")
