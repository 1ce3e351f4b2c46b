"""A FileIO with credentials that the catalog vends, which are renewed before they expire."""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TypeVar

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream

SHORTEST_LIFE_SECONDS = 900.0
"""The assumed lifetime of credentials without an expiry time: AWS's security token service gives no less."""
_VENDED = re.compile(r"s3\.session-token|gcs\.oauth2\.token|adls\.sas-token(\..+)?")
_EXPIRY = re.compile(
    r"s3\.session-token-expires-at-ms|gcs\.oauth2\.token-expires-at|adls\.sas-token-expires-at-ms(\..+)?"
)
_REFUSED = re.compile(
    r"ExpiredToken|EXPIRED_TOKEN|INVALID_ACCESS_KEY|InvalidAccessKey|ACCESS_DENIED|access denied|AuthenticationFailed|"
    r"UNAUTHENTICATED|HTTP status 40[013]"
)
_IN_MEMORY_BYTES = 8 << 20
_COPIED_BYTES = 1 << 20

T = TypeVar("T")

log = logging.getLogger("influx_lake.iceberg")


def are_vended(properties: Mapping[str, str]) -> bool:
    """Whether the properties that a catalog returned for a table include credentials that expire."""
    return any(_VENDED.fullmatch(name) for name in properties)


class VendedFileIO(FileIO):
    """A FileIO whose credentials are requested again after half of their lifetime.

    A file is written to this machine first, and uploaded when it is complete: an upload that takes longer than the
    lifetime of credentials would fail under those that it began with, and a failed upload can be repeated.

    Args:
        files: The FileIO, with credentials that were just vended.
        vend: Requests a new one from the catalog.
    """

    def __init__(self, files: FileIO, vend: Callable[[], FileIO]) -> None:
        self._vend = vend
        self._lock = threading.Lock()
        self._take(files)

    def _take(self, files: FileIO) -> None:
        now = time.time()
        self._files, self.properties = files, files.properties
        told = [int(value) / 1000 for name, value in files.properties.items() if _EXPIRY.fullmatch(name)]
        self._expires = min(told, default=now + SHORTEST_LIFE_SECONDS)
        self._due = now + (self._expires - now) / 2

    def fresh(self) -> FileIO:
        """The FileIO, with credentials that remain valid for a while."""
        with self._lock:
            if time.time() >= self._due:
                self._renew()
            return self._files

    def _renew(self) -> None:
        try:
            renewed = self._vend()
        except Exception:
            now = time.time()
            if now >= self._expires:
                raise
            self._due = now + (self._expires - now) / 2
            log.warning("the catalog vends no credentials now; those that it vended before hold on", exc_info=True)
        else:
            self._take(renewed.fresh() if isinstance(renewed, VendedFileIO) else renewed)

    def again(self, do: Callable[[FileIO], T]) -> T:
        """Call a function with the FileIO; once more with new credentials where the store refuses these."""
        files = self.fresh()
        try:
            return do(files)
        except FileNotFoundError:
            raise
        except Exception as error:
            if not isinstance(error, PermissionError) and not _REFUSED.search(str(error)):
                raise
            with self._lock:
                if self._files is files:
                    self._renew()
                if self._files is files:
                    raise
            return do(self._files)

    def new_input(self, location: str) -> InputFile:
        return _Input(self, location)

    def new_output(self, location: str) -> OutputFile:
        return _Output(self, location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        path = location if isinstance(location, str) else location.location
        self.again(lambda files: files.delete(path))

    def __getattr__(self, name: str) -> Any:
        # Attributes of one of pyiceberg's two FileIOs only, such as the file system behind it.
        if name.startswith("__") or name in ("_files", "_lock"):
            raise AttributeError(name)
        return getattr(self.fresh(), name)


class _Input(InputFile):
    def __init__(self, files: VendedFileIO, location: str) -> None:
        super().__init__(location)
        self._io = files

    def __len__(self) -> int:
        return self._io.again(lambda files: len(files.new_input(self.location)))

    def exists(self) -> bool:
        return self._io.again(lambda files: files.new_input(self.location).exists())

    def open(self, seekable: bool = True) -> InputStream:
        return self._io.again(lambda files: files.new_input(self.location).open(seekable))


class _Output(OutputFile):
    def __init__(self, files: VendedFileIO, location: str) -> None:
        super().__init__(location)
        self._io = files

    def __len__(self) -> int:
        return len(self.to_input_file())

    def exists(self) -> bool:
        return self.to_input_file().exists()

    def to_input_file(self) -> InputFile:
        return _Input(self._io, self.location)

    def create(self, overwrite: bool = False) -> OutputStream:
        if not overwrite and self.exists():
            raise FileExistsError(f"Cannot create file, already exists: {self.location}")
        return _Upload(self._io, self.location)


class _Upload:
    """A file that is written to this machine, and uploaded when it is complete."""

    def __init__(self, files: VendedFileIO, location: str) -> None:
        self._io, self._location = files, location
        self._written = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115  its owner closes it

    @property
    def closed(self) -> bool:
        return self._written.closed

    def write(self, data: Any) -> int:
        return self._written.write(data)

    def flush(self) -> None:
        self._written.flush()

    def tell(self) -> int:
        return self._written.tell()

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        if self.closed:
            return
        with self._written:
            self._io.again(self._send)

    def _send(self, files: FileIO) -> None:
        self._written.seek(0)
        with files.new_output(self._location).create(overwrite=True) as stream:
            shutil.copyfileobj(self._written, stream, _COPIED_BYTES)

    def __enter__(self) -> _Upload:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._written.close()
