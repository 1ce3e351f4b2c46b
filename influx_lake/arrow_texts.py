"""Texts that are not UTF-8: nothing keeps a writer of Parquet from them, and Arrow reads them as they are."""

from __future__ import annotations

from typing import Any

import pyarrow as pa


def are_texts(column: pa.Array | pa.ChunkedArray) -> bool:
    """Whether all texts of a column, also those in dictionaries and objects, are UTF-8."""
    if not _may_hold_text(column.type):
        return True
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def is_text(scalar: pa.Scalar) -> bool:
    """Whether all texts of one value are UTF-8."""
    try:
        scalar.as_py()
    except UnicodeDecodeError:
        return False
    return True


def shown(scalar: pa.Scalar) -> Any:
    """A value for people: the bytes of a text that is not UTF-8."""
    if is_text(scalar):
        return scalar.as_py()
    if isinstance(scalar, pa.StructScalar):
        return {name: shown(part) for name, part in scalar.items()}
    value = scalar.value if isinstance(scalar, pa.DictionaryScalar) else scalar
    return value.as_buffer().to_pybytes() if isinstance(value, pa.StringScalar) else None


def _may_hold_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _may_hold_text(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return True
    return bool(pa.types.is_nested(kind))
