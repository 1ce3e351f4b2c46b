"""pyiceberg's FileIO by Arrow, with a time limit on retries in Google Cloud Storage."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pyiceberg.io import pyarrow

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

RETRY_SECONDS = "gcs.retry-seconds"
"""The catalog property: how long to retry a request to Google Cloud Storage, in seconds."""
_DEFAULT_RETRY_SECONDS = "30"


class PyArrowFileIO(pyarrow.PyArrowFileIO):
    """Files by Arrow, with a limit on how long Google's client retries.

    Without credentials, that client asks the metadata server of Google's machines for a token, and retries for
    fifteen minutes where there is none.
    """

    def _initialize_gcs_fs(self) -> FileSystem:
        rebuild, (options,) = super()._initialize_gcs_fs().__reduce__()
        limit = timedelta(seconds=float(self.properties.get(RETRY_SECONDS, _DEFAULT_RETRY_SECONDS)))
        return rebuild({**options, "retry_time_limit": limit})
