"""pyiceberg's Hive catalog with a time-out on every request: its own client waits for ever."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlsplit

from pyiceberg.catalog.hive import HiveCatalog as PlainHiveCatalog
from pyiceberg.catalog.hive import _HiveClient
from thrift.transport import TSocket, TTransport  # type: ignore[import-untyped]

from influx_lake.iceberg.timeouts.call_timeout import AnswerTimeout

# Its errors are raised too; without a handler Python also writes them to stderr.
logging.getLogger("thrift").addHandler(logging.NullHandler())


class HiveCatalog(PlainHiveCatalog):
    """A Hive catalog with a time-out on answers.

    Args:
        name: The catalog's name.
        answer_seconds: The longest wait for a connection, and for the next bytes of an answer.
        properties: pyiceberg's properties.
    """

    def __init__(self, name: str, answer_seconds: float, **properties: Any) -> None:
        super().__init__(name, **properties)
        self._client = _Client(self._client, answer_seconds)


class _Client(_HiveClient):
    """A copy of a Hive client, with a time-out on its sockets."""

    def __init__(self, like: _HiveClient, answer_seconds: float) -> None:
        self._answer_seconds = answer_seconds
        super().__init__(like._uri, None, like._kerberos_auth, like._kerberos_service_name)
        self._ugi = like._ugi

    def _init_thrift_transport(self) -> TTransport.TTransportBase:
        address = urlsplit(self._uri)
        socket = _Socket(address.hostname, address.port)
        socket.setTimeout(self._answer_seconds * 1000)
        if self._kerberos_auth:
            return TTransport.TSaslClientTransport(socket, host=address.hostname, service=self._kerberos_service_name)
        return TTransport.TBufferedTransport(socket)


class _Socket(TSocket.TSocket):  # type: ignore[misc]
    """A socket whose time-out error names the server."""

    def read(self, size: int) -> bytes:
        try:
            received: bytes = super().read(size)
        except TTransport.TTransportException as error:
            if error.type != TTransport.TTransportException.TIMED_OUT:
                raise
            raise AnswerTimeout(f"{self.host}:{self.port}", self._timeout) from error
        return received
