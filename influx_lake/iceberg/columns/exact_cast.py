"""Casts to the types that lake.yaml asks for: every value is kept exactly, or the cast is refused."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.errors import DataRefused, SchemaConflict

_SHOWN = 60
_WIDE_DIGITS = 58
"""The 20 digits of an unsigned integer, and the 38 that a decimal may have behind its point."""


def check_cast(name: str, here: pa.DataType, there: pa.DataType) -> None:
    """Check that values of one type can be cast exactly to the other.

    Raises:
        SchemaConflict: There is no exact cast between them.
    """
    for accepts, targets in (
        (pa.types.is_integer, (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_string)),
        (pa.types.is_floating, (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal, pa.types.is_string)),
        (pa.types.is_decimal, (pa.types.is_decimal, pa.types.is_integer, pa.types.is_string)),
        (pa.types.is_boolean, (pa.types.is_boolean, pa.types.is_integer, pa.types.is_string)),
        (
            pa.types.is_string,
            (
                pa.types.is_string,
                pa.types.is_integer,
                pa.types.is_decimal,
                pa.types.is_boolean,
                pa.types.is_floating,
            ),
        ),
    ):
        if accepts(plain(here)) and any(matches(there) for matches in targets):
            return
    raise SchemaConflict(
        f"the source's column {name!r} is {here}, which cannot become {there} exactly",
        remedy=f"Take {name!r} out of `types`, or give it another type",
    )


def exact_cast(name: str, values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cast values exactly.

    Raises:
        DataRefused: A value would change.
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    try:
        made = _cast(values, kind)
    except pa.ArrowInvalid as error:
        raise _refused(name, kind, str(error)) from None
    if pa.types.is_floating(values.type):
        _check_same(name, values, made)
    elif pa.types.is_floating(kind) and pa.types.is_string(values.type):
        _check_digits(name, values, made)
    return made


def plain(kind: pa.DataType) -> pa.DataType:
    """The type of the values, whatever their encoding: dictionaries and the layouts of strings."""
    if pa.types.is_dictionary(kind):
        return plain(kind.value_type)
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_decimal(kind) and pa.types.is_integer(values.type):
        # Arrow checks what the source type could hold, not the values.
        return values.cast(pa.decimal256(_WIDE_DIGITS, kind.scale)).cast(kind)
    if pa.types.is_decimal(kind) and pa.types.is_floating(values.type):
        # The shortest decimal that is this float; a cast would write out its binary digits.
        return values.cast(pa.string()).cast(kind)
    if pa.types.is_floating(kind) and pa.types.is_floating(values.type):
        return values.cast(kind, safe=False)
    return values.cast(kind)


def _check_same(name: str, values: pa.Array, made: pa.Array) -> None:
    """Compare floats with their cast values, bit by bit: -0.0 is not 0.0, and NaN is NaN."""
    back = made.cast(pa.string()) if pa.types.is_decimal(made.type) else made
    integers = pa.int32() if values.type == pa.float32() else pa.int64()
    # An unsafe cast, since Arrow refuses integers beyond 2^53 that a float does hold.
    same = pc.equal(back.cast(values.type, safe=False).view(integers), values.view(integers))
    changed = values.filter(pc.and_(pc.invert(same), pc.invert(pc.is_nan(values))))
    if len(changed):
        raise _refused(name, made.type, f"{changed[0]} would not be the same value")


def _check_digits(name: str, texts: pa.Array, made: pa.Array) -> None:
    """Compare numbers in texts with the floats that they were cast to: the shortest decimal of the float must equal
    the number. With few digits it does.
    """
    digits = pc.utf8_length(pc.replace_substring_regex(texts, r"([eE].*|[^0-9])", ""))
    sure = 6 if made.type == pa.float32() else 15
    # A number with an exponent may be too small for a float, which is then 0, with any digits.
    doubtful = pc.or_(pc.greater(digits, sure), pc.match_substring_regex(texts, "[eE]"))
    places = pc.indices_nonzero(pc.fill_null(doubtful, False))
    for text, value in zip(
        texts.take(places).to_pylist(), made.take(places).cast(pa.string()).to_pylist(), strict=True
    ):
        number = Decimal(value)
        if number.is_finite() and Decimal(text.strip()) != number:
            raise _refused(name, made.type, f"{text[:_SHOWN]} would be {value}")


def _refused(name: str, kind: pa.DataType, why: str) -> DataRefused:
    return DataRefused(
        f"column {name!r} holds a value that {kind} cannot hold exactly: {why}",
        remedy=f"Give {name!r} a wider type in `types`, or none",
    )
