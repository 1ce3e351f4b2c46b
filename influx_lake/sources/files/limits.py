"""How much of a file may have to be in memory, and how much it may unpack to."""

from __future__ import annotations

from dataclasses import dataclass

from influx_lake.config.connections.limits import MAX_DOCUMENT
from influx_lake.config.connections.points import MAX_EXPANSION
from influx_lake.errors import FileUnreadable


@dataclass(frozen=True, slots=True)
class FileLimits:
    """The limits of the files of a source.

    Attributes:
        max_document: The bytes that one line, document or record may have.
        max_expansion: How many times its size a compressed file may unpack to, once that is more than a document may
            have.
    """

    max_document: int
    max_expansion: int

    def check_line(self, size: int, uri: str, line: int) -> None:
        """Make sure that a line, or what begins in it, is not too long.

        Raises:
            FileUnreadable: It is.
        """
        if size > self.max_document:
            raise FileUnreadable(
                f"{uri}, line {line:,}: this line or document is longer than {self.max_document / 1e6:,.6g} MB "
                f"({MAX_DOCUMENT}), and has to be in memory as a whole",
                remedy=f"Write each point on a line of its own, or raise `{MAX_DOCUMENT}` of the source",
            )

    def check_expansion(self, unpacked: int, packed: int, uri: str) -> None:
        """Make sure that a file does not unpack to more than it may.

        Raises:
            FileUnreadable: It does.
        """
        if packed > 0 and unpacked > max(self.max_document, packed * self.max_expansion):
            raise FileUnreadable(
                f"{uri} has {packed:,} bytes, and unpacks to more than {self.max_expansion:,} times as many "
                f"({MAX_EXPANSION})",
                remedy=f"Look at what it holds; if it is right, raise `{MAX_EXPANSION}` of the source",
            )
