"""pyiceberg's files, whose store gives up in time where its client would try for a quarter of an hour."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pyiceberg.io import pyarrow

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

RETRY_SECONDS = "gcs.retry-seconds"
"""The property that holds how long a request to Google Cloud Storage is tried."""
_DEFAULT_RETRY_SECONDS = "30"


class PyArrowFileIO(pyarrow.PyArrowFileIO):
    """Files by Arrow, with a limit on what Google's client does before it gives up.

    That client looks for a token at the metadata server of Google's machines where it has no credentials, and tries for
    fifteen minutes where there is none.
    """

    def _initialize_gcs_fs(self) -> FileSystem:
        rebuild, (options,) = super()._initialize_gcs_fs().__reduce__()
        limit = timedelta(seconds=float(self.properties.get(RETRY_SECONDS, _DEFAULT_RETRY_SECONDS)))
        return rebuild({**options, "retry_time_limit": limit})
