"""Limits on the memory for a document of a file, and on decompression."""

from __future__ import annotations

from dataclasses import dataclass

from influx_lake.config.connections.limits import MAX_DOCUMENT
from influx_lake.config.connections.point_files import MAX_EXPANSION
from influx_lake.errors import FileUnreadable


@dataclass(frozen=True, slots=True)
class FileLimits:
    """The limits of the files of a source.

    Attributes:
        max_document: The most bytes of one line, document or record.
        max_expansion: The most times its size that a compressed file may expand to, beyond `max_document`.
    """

    max_document: int
    max_expansion: int

    def check_line(self, size: int, uri: str, line: int) -> None:
        """Check the length of a line, or of a document that begins in it.

        Raises:
            FileUnreadable: It is too long.
        """
        if size > self.max_document:
            raise FileUnreadable(
                f"{uri}, line {line:,}: this line or document is longer than {self.max_document / 1e6:,.6g} MB "
                f"({MAX_DOCUMENT}), and has to fit into memory",
                remedy=f"Write each point on a line of its own, or raise `{MAX_DOCUMENT}` of the source",
            )

    def check_expansion(self, unpacked: int, packed: int, uri: str) -> None:
        """Check how much a file expands when it is decompressed.

        Raises:
            FileUnreadable: It expands to more than `max_expansion` allows.
        """
        if packed > 0 and unpacked > max(self.max_document, packed * self.max_expansion):
            raise FileUnreadable(
                f"{uri} has {packed:,} bytes, and expands to more than {self.max_expansion:,} times as many "
                f"({MAX_EXPANSION})",
                remedy=f"Check its content; if it is right, raise `{MAX_EXPANSION}` of the source",
            )
