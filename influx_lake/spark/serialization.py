"""Serializes values for executors: secrets as references, files without the clients that open them."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any

from influx_lake.sources.files import StoredFile
from influx_lake.sources.files.place import stored_file


def shipped(value: Any) -> bytes:
    """Serialize a value for another process.

    Raises:
        ConfigurationError: It holds a secret that is not a reference, and that no lake.yaml holds.
    """
    buffer = io.BytesIO()
    _Shipping(buffer).dump(value)
    return buffer.getvalue()


def received(shipment: bytes, properties: Callable[[], Mapping[str, str]] = dict) -> Any:
    """Deserialize a shipped value.

    Args:
        shipment: The result of `shipped`, from a trusted process.
        properties: Returns the properties of the store that its files are in.

    Raises:
        ConfigurationError: A reference cannot be resolved here.
    """
    return _Receiving(io.BytesIO(shipment), properties).load()


class _Shipping(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        """Serialize a file as its address: the client that opens it holds the keys of the store."""
        if isinstance(value, StoredFile):
            return value.uri, value.path, value.size, value.state
        return None


class _Receiving(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, properties: Callable[[], Mapping[str, str]]) -> None:
        super().__init__(stream)
        self._properties = properties

    def persistent_load(self, address: Any) -> StoredFile:
        uri, path, size, state = address
        return stored_file(uri, path, size, state, self._properties())
