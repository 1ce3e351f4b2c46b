"""Spilled columns with random access: any slice of one is read without the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from influx_lake.temporary_files import TemporaryFile


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """The location of a column on disk.

    Attributes:
        type: The Arrow type of the values.
        values: The offset of fixed-width values; of strings that of their offsets, which are offsets in the file.
        valid: The offset of one byte per value, which tells whether it is valid; None: all are.
    """

    type: pa.DataType
    values: int
    valid: int | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A slice of a stored column."""

    column: StoredColumn
    begin: int
    end: int

    def __len__(self) -> int:
        return self.end - self.begin


def store(values: pa.Array, file: TemporaryFile) -> StoredColumn:
    """Write a column.

    Raises:
        StorageError: The disk is full, or fails.
    """
    valid = file.append(_bytes(values.is_valid().cast(pa.uint8()), 1).data) if values.null_count else None
    return StoredColumn(values.type, _store_values(values, file), valid)


def read(stretches: Sequence[Stretch], file: TemporaryFile) -> pa.Array:
    """Read slices of one type, concatenated.

    Raises:
        StorageError: The disk fails.
    """
    kind, length = stretches[0].column.type, sum(map(len, stretches))
    bitmap = _bitmap(stretches, file)
    if pa.types.is_boolean(kind):
        values = _flat(stretches, 1, lambda stretch: stretch.column.values, file)
        return pa.Array.from_buffers(kind, length, [bitmap, pa.py_buffer(np.packbits(values, bitorder="little"))])
    if not _is_text(kind):
        values = _flat(stretches, kind.byte_width, lambda stretch: stretch.column.values, file)
        return pa.Array.from_buffers(kind, length, [bitmap, pa.py_buffer(values)])
    return pa.Array.from_buffers(kind, length, [bitmap, *_texts(stretches, kind, file)])


def _store_values(values: pa.Array, file: TemporaryFile) -> int:
    kind = values.type
    if pa.types.is_boolean(kind):
        return file.append(_bytes(values.fill_null(False).cast(pa.uint8()), 1).data)
    if not _is_text(kind):
        return file.append(_bytes(values, kind.byte_width).data)
    places = _places(values).astype(np.int64)
    content = values.buffers()[2]
    texts = np.frombuffer(content, np.uint8)[places[0] : places[-1]] if content else np.empty(0, np.uint8)
    begin = file.append(texts.data)
    return file.append((places - places[0] + begin).view(np.uint8).data)


def _texts(stretches: Sequence[Stretch], kind: pa.DataType, file: TemporaryFile) -> tuple[pa.Buffer, pa.Buffer]:
    """The offsets of strings in their concatenated bytes, and these bytes."""
    found = []
    for stretch in stretches:
        places = np.empty(len(stretch) + 1, np.int64)
        file.read_into(places.view(np.uint8).data, stretch.column.values + stretch.begin * places.itemsize)
        found.append(places)
    ends = np.cumsum(np.concatenate([np.zeros(1, np.int64), *map(np.diff, found)]))
    content = np.empty(ends[-1], np.uint8)
    begin = 0
    for places in found:
        length = int(places[-1] - places[0])
        file.read_into(content[begin : begin + length].data, int(places[0]))
        begin += length
    return pa.py_buffer(ends.astype(_place_type(kind))), pa.py_buffer(content)


def _bitmap(stretches: Sequence[Stretch], file: TemporaryFile) -> pa.Buffer | None:
    if all(stretch.column.valid is None for stretch in stretches):
        return None
    valid = _flat(stretches, 1, lambda stretch: stretch.column.valid, file)
    return pa.py_buffer(np.packbits(valid, bitorder="little"))


def _flat(
    stretches: Sequence[Stretch], width: int, place: Callable[[Stretch], int | None], file: TemporaryFile
) -> npt.NDArray[np.uint8]:
    """Fixed-width values; ones where a slice has no offset."""
    values = np.empty(sum(map(len, stretches)) * width, np.uint8)
    at = 0
    for stretch in stretches:
        here, begin = values[at : at + len(stretch) * width], place(stretch)
        at += len(here)
        if begin is None:
            here[:] = 1
        else:
            file.read_into(here.data, begin + stretch.begin * width)
    return values


def _bytes(values: pa.Array, width: int) -> npt.NDArray[np.uint8]:
    whole = np.frombuffer(values.buffers()[1], np.uint8)
    return whole[values.offset * width : (values.offset + len(values)) * width]


def _places(values: pa.Array) -> npt.NDArray[np.int32 | np.int64]:
    """The offsets of strings in their buffer, including the end of the last one."""
    whole: npt.NDArray[np.int32 | np.int64] = np.frombuffer(values.buffers()[1], _place_type(values.type))
    return whole[values.offset : values.offset + len(values) + 1]


def _place_type(kind: pa.DataType) -> type[np.int32 | np.int64]:
    return np.int64 if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind) else np.int32


def _is_text(kind: pa.DataType) -> bool:
    """Whether values have a variable length."""
    return any(
        matches(kind)
        for matches in (pa.types.is_string, pa.types.is_binary, pa.types.is_large_string, pa.types.is_large_binary)
    )
