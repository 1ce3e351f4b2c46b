"""Steps that transform batches of rows, each bound to the schema of its input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from influx_lake.config.values.source_schema import MISFIT

Make = Callable[[pa.RecordBatch], pa.Array]
"""Computes a column for a batch."""


class Step(Protocol):
    """Transforms batches of one schema to another."""

    @property
    def schema(self) -> pa.Schema:
        """The schema of the result."""
        ...

    def apply(self, batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """Transform consecutive batches, each into one.

        Raises:
            DataRefused: A value cannot be transformed.
        """
        ...


class Conversion(Protocol):
    """Converts the values of a column."""

    def type_of(self, kind: pa.DataType) -> pa.DataType:
        """The type of the result for values of a type."""
        ...

    def apply(self, values: pa.Array) -> tuple[pa.Array, pa.Array | None]:
        """Convert values; returns them and, for the quarantine, the strings of those that do not fit, else null."""
        ...


@dataclass(frozen=True, slots=True)
class DerivedColumn:
    """A column that is made of one input column.

    Attributes:
        input: The input column.
        output: The output column; it gets the type of the converted values.
        conversions: The conversions, in order.
        misfit: The reason recorded in the quarantine for values that do not fit; None: there is no quarantine.
    """

    input: str
    output: pa.Field
    conversions: tuple[Conversion, ...] = ()
    misfit: str | None = None

    def fields(self, kind: pa.DataType) -> list[pa.Field]:
        """The output column and, with a quarantine, the column with strings that do not fit."""
        for conversion in self.conversions:
            kind = conversion.type_of(kind)
        found = [self.output.with_type(kind)]
        if self.misfit is not None:
            reason = {MISFIT: self.misfit}
            found.append(pa.field(f"{self.output.name} as it came", pa.string(), metadata=reason))
        return found


@dataclass(frozen=True)
class Arrange:
    """A step that selects, renames and converts columns; unchanged columns are not copied.

    Attributes:
        columns: The columns.
        incoming: The schema of the input.
    """

    columns: Sequence[DerivedColumn]
    incoming: pa.Schema
    schema: pa.Schema = field(init=False)

    def __post_init__(self) -> None:
        fields = [made for each in self.columns for made in each.fields(self.incoming.field(each.input).type)]
        object.__setattr__(self, "schema", pa.schema(fields))

    def apply(self, batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """Apply the step."""
        return list(map(self._arranged, batches))

    def _arranged(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays: list[pa.Array] = []
        for each in self.columns:
            values, unfit = batch.column(each.input), pa.nulls(0, pa.string())
            for conversion in each.conversions:
                values, refused = conversion.apply(values)
                unfit = unfit if refused is None else refused
            arrays.append(values)
            if each.misfit is not None:
                arrays.append(unfit if len(unfit) else pa.nulls(len(batch), pa.string()))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


@dataclass(frozen=True)
class AddColumns:
    """A step that adds columns which are not made of values.

    Attributes:
        columns: The columns, each with the function that computes it.
        incoming: The schema of the input.
    """

    columns: Sequence[tuple[pa.Field, Make]]
    incoming: pa.Schema
    schema: pa.Schema = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "schema", pa.schema([*self.incoming, *(column for column, _ in self.columns)]))

    def apply(self, batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """Apply the step."""
        return list(map(self._added_to, batches))

    def _added_to(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = [*batch.columns, *(make(batch) for _, make in self.columns)]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)
