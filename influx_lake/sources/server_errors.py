"""The errors for failures of a server, independent of the protocol."""

from __future__ import annotations

from dataclasses import dataclass

from influx_lake.errors import (
    QueryRejected,
    SourceTimeout,
    SourceUnavailable,
    StreamBroken,
    TlsFailed,
)

UNREACHABLE = "Check that the server runs, and the source's `host`"


@dataclass(frozen=True, slots=True)
class ServerErrors:
    """Makes the errors of one server. Secrets have to be redacted from all texts before.

    Attributes:
        where: The server's name in messages.
    """

    where: str

    def unreachable(self, text: str, remedy: str = UNREACHABLE) -> SourceUnavailable:
        """There is no connection."""
        return SourceUnavailable(f"{self.where}: the server cannot be reached: {text}", remedy=remedy)

    def busy(self, text: str) -> SourceUnavailable:
        """The server responds, but cannot serve the request now."""
        return SourceUnavailable(
            f"{self.where}: the server cannot serve now: {text}",
            remedy="Try again later, or read shorter windows",
        )

    def timeout(self, text: str) -> SourceTimeout:
        """The response, or its next part, took too long."""
        return SourceTimeout(
            f"{self.where}: the server did not respond in time: {text}",
            remedy="Try again, read shorter windows, or raise the source's `timeout`",
        )

    def broken(self, text: str) -> StreamBroken:
        """The response was incomplete."""
        return StreamBroken(
            f"{self.where}: the stream of rows broke off: {text}",
            remedy="Try again; if it breaks again, check the server's log",
        )

    def tls(self, text: str) -> TlsFailed:
        """The connection cannot be trusted."""
        return TlsFailed(
            f"{self.where}: no trusted TLS connection: {text}",
            remedy="Set tls.ca_file to the certificate of the server's authority, and use the host's name that the "
            "certificate has; for a server without TLS, write the host with http://",
        )

    def rejected(self, text: str) -> QueryRejected:
        """The server did not accept the query itself."""
        return QueryRejected(
            f"{self.where}: the server refused the query: {text}",
            remedy="If a column was just dropped or changed, run again; otherwise check the server's log",
        )
