"""What goes from the driver to executors: secrets as references, files without the clients that open them."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any

from influx_lake.sources.files import StoredFile
from influx_lake.sources.files.place import stored_file


def shipped(value: Any) -> bytes:
    """A value for another process.

    Raises:
        ConfigurationError: It holds a secret that is no reference, and stands in no lake.yaml.
    """
    buffer = io.BytesIO()
    _Shipping(buffer).dump(value)
    return buffer.getvalue()


def received(shipment: bytes, properties: Callable[[], Mapping[str, str]] = dict) -> Any:
    """The value that was shipped.

    Args:
        shipment: What `shipped` made, in a process that is trusted.
        properties: Tells how the store is reached that its files are in.

    Raises:
        ConfigurationError: A reference cannot be resolved here.
    """
    return _Receiving(io.BytesIO(shipment), properties).load()


class _Shipping(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        """A file is told by its address: what opens it holds the keys of the store."""
        if isinstance(value, StoredFile):
            return value.uri, value.path, value.size, value.state
        return None


class _Receiving(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, properties: Callable[[], Mapping[str, str]]) -> None:
        super().__init__(stream)
        self._properties = properties

    def persistent_load(self, told: Any) -> StoredFile:
        uri, path, size, state = told
        return stored_file(uri, path, size, state, self._properties())
