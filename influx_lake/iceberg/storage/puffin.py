"""Writes Puffin files, as specified by Iceberg (version 1)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyiceberg.io import FileIO

_MAGIC = b"PFA1"
_NO_FLAGS = bytes(4)


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob of a Puffin file.

    Attributes:
        kind: Its type, such as `apache-datasketches-theta-v1`.
        content: Its bytes.
        fields: The ids of the columns that it describes.
        properties: Its properties.
    """

    kind: str
    content: bytes
    fields: tuple[int, ...]
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PuffinFile:
    """A written Puffin file.

    Attributes:
        size: Its size in bytes.
        footer_size: The size of its footer, including both magics.
    """

    size: int
    footer_size: int


def write_puffin(io: FileIO, path: str, blobs: Sequence[Blob], *, snapshot_id: int, sequence_number: int) -> PuffinFile:
    """Write blobs to a file.

    Args:
        io: The FileIO.
        path: The path of the file.
        blobs: The blobs.
        snapshot_id: The snapshot that they describe.
        sequence_number: Its sequence number.

    Raises:
        OSError: The file cannot be written.
    """
    body, listed = _MAGIC, list[dict[str, Any]]()
    for blob in blobs:
        listed.append(
            {
                "type": blob.kind,
                "fields": list(blob.fields),
                "snapshot-id": snapshot_id,
                "sequence-number": sequence_number,
                "offset": len(body),
                "length": len(blob.content),
                "properties": dict(blob.properties),
            }
        )
        body += blob.content
    payload = json.dumps({"blobs": listed, "properties": {"created-by": "influx-lake"}}).encode()
    footer = _MAGIC + payload + len(payload).to_bytes(4, "little") + _NO_FLAGS + _MAGIC
    with io.new_output(path).create() as file:
        file.write(body + footer)
    return PuffinFile(len(body) + len(footer), len(footer))
