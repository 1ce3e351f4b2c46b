"""Finds strings that are not valid UTF-8: Parquet writers do not prevent them, and Arrow reads them unchecked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa


def are_texts(column: pa.Array | pa.ChunkedArray) -> bool:
    """Whether all strings of a column, including those in dictionaries and structs, are valid UTF-8."""
    if not _may_hold_text(column.type) or (isinstance(column, pa.StringArray) and _are_plainly_ascii(column)):
        return True
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def is_text(scalar: pa.Scalar) -> bool:
    """Whether all strings of one value are valid UTF-8."""
    try:
        scalar.as_py()
    except UnicodeDecodeError:
        return False
    return True


def shown(scalar: pa.Scalar) -> Any:
    """A value for display: the raw bytes of a string that is not valid UTF-8."""
    if is_text(scalar):
        return scalar.as_py()
    if isinstance(scalar, pa.StructScalar):
        return {name: shown(part) for name, part in scalar.items()}
    value = scalar.value if isinstance(scalar, pa.DictionaryScalar) else scalar
    return value.as_buffer().to_pybytes() if isinstance(value, pa.StringScalar) else None


def _are_plainly_ascii(texts: pa.StringArray) -> bool:
    """Whether offsets are consistent and all bytes are ASCII: true of most columns, and quick to check."""
    _, places, content = texts.buffers()
    if places is None or content is None:
        return False
    ends = np.frombuffer(places, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    if len(ends) <= len(texts) or ends[0] < 0 or ends[-1] > content.size or (ends[1:] < ends[:-1]).any():
        return False
    held = np.frombuffer(content, np.int8)[ends[0] : ends[-1]]
    return bool(held.min(initial=0) >= 0)


def _may_hold_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _may_hold_text(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return True
    return bool(pa.types.is_nested(kind))
