"""Casts values to another type: exactly, or by `on_cast_error`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.transforms.formats import Format, parse_format
from influx_lake.config.transforms.options import OnCastError
from influx_lake.errors import DataRefused
from influx_lake.iceberg.columns.exact_cast import check_cast, exact_cast, plain
from influx_lake.iceberg.columns.schema import arrow_type
from influx_lake.transforms.text_formats import check_format, parsed

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Cast:
    """A cast of a column to another type.

    Attributes:
        column: The column, for messages.
        iceberg_type: The Iceberg type of the result.
        format: The format of strings; None: that of `exact_cast`, and ISO 8601 for times.
        on_error: What happens to a value that does not fit.
    """

    column: str
    iceberg_type: str
    format: str | None = None
    on_error: OnCastError = OnCastError.FAIL

    @property
    def reason(self) -> str:
        """The reason that is recorded for rows in quarantine."""
        return f"{self.column!r} could not become {self.iceberg_type} exactly"

    def type_of(self, kind: pa.DataType) -> pa.DataType:
        """The type of the result.

        Raises:
            SchemaConflict: No value of the input type can be cast to it.
        """
        made = arrow_type(self.iceberg_type)
        if not check_format(self.column, plain(kind), made, self._format):
            check_cast(self.column, kind, made)
        return kind if plain(kind) == made else made

    def apply(self, values: pa.Array) -> tuple[pa.Array, pa.Array | None]:
        """Cast values; returns them, and with `quarantine` the strings of those that do not fit.

        Raises:
            DataRefused: A value does not fit, and `on_error` is `fail`.
        """
        made = arrow_type(self.iceberg_type)
        if plain(values.type) == made and self.format is None:
            return values, None
        try:
            return self._cast(values, made), None
        except DataRefused as error:
            if self.on_error is OnCastError.FAIL:
                raise self._with_value(values, error) from None
        distinct = values.dictionary_encode() if not pa.types.is_dictionary(values.type) else values
        unfit = _unfit(distinct.dictionary, lambda part: self._cast(part, made))
        texts = distinct.dictionary.cast(pa.string())
        fitting = pc.if_else(unfit, pa.nulls(len(unfit), distinct.dictionary.type), distinct.dictionary)
        cast = self._cast(fitting, made).take(distinct.indices)
        if self.on_error is OnCastError.NULL:
            return cast, None
        return cast, pc.if_else(unfit, texts, pa.nulls(len(unfit), pa.string())).take(distinct.indices)

    @property
    def _format(self) -> Format | None:
        return None if self.format is None else parse_format(self.format, self.iceberg_type)

    def _cast(self, values: pa.Array, made: pa.DataType) -> pa.Array:
        if pa.types.is_dictionary(values.type):
            return self._cast(values.dictionary, made).take(values.indices)
        values = values.cast(plain(values.type))
        if (found := parsed(self.column, values, made, self._format)) is not None:
            return found
        return exact_cast(self.column, values, made)

    def _with_value(self, values: pa.Array, error: DataRefused) -> DataRefused:
        """The error, naming the first value that does not fit."""
        distinct = values.dictionary if pa.types.is_dictionary(values.type) else values.unique()
        unfit = _unfit(distinct, lambda part: self._cast(part, arrow_type(self.iceberg_type)), most=1)
        shown = str(distinct.filter(unfit)[0].as_py())[:_SHOWN]
        return DataRefused(
            f"column {self.column!r} has the value {shown!r}, which cannot become {self.iceberg_type} exactly: "
            f"{error.message}",
            remedy="Give the column a wider type in `types`, set its format in `formats`, or set on_cast_error: "
            "null or quarantine",
        )


def _unfit(values: pa.Array, cast: Callable[[pa.Array], pa.Array], most: int | None = None) -> pa.Array:
    """The mask of values that do not fit, found by bisection."""
    found: list[int] = []
    waiting = [(0, len(values))]
    while waiting and (most is None or len(found) < most):
        begin, end = waiting.pop()
        try:
            cast(values.slice(begin, end - begin))
        except DataRefused:
            if end - begin == 1:
                found.append(begin)
            else:
                middle = (begin + end) // 2
                waiting += [(middle, end), (begin, middle)]
    places = set(found)
    return pa.array([place in places for place in range(len(values))], pa.bool_())
