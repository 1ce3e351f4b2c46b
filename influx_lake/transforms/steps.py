"""What is done to each batch of rows: steps that are bound to the schema of what comes, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from influx_lake.config.values.source_schema import MISFIT

Make = Callable[[pa.RecordBatch], pa.Array]
"""Makes the values of a column for a batch."""


class Step(Protocol):
    """A change of batches of one schema to batches of another."""

    @property
    def schema(self) -> pa.Schema:
        """The schema of what comes out."""
        ...

    def apply(self, batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """Change batches that follow each other, each by itself.

        Raises:
            DataRefused: A value cannot be changed as it was asked for.
        """
        ...


class Conversion(Protocol):
    """Makes the values of a column of others."""

    def type_of(self, kind: pa.DataType) -> pa.DataType:
        """The type of what it makes of values of a type."""
        ...

    def apply(self, values: pa.Array) -> tuple[pa.Array, pa.Array | None]:
        """Make the values; and the texts of those that do not fit, null elsewhere, where rows go to the quarantine."""
        ...


@dataclass(frozen=True, slots=True)
class Made:
    """A column that is made of one that comes.

    Attributes:
        input: The column that comes.
        output: The column that goes on; its type is that of its values.
        conversions: What is done with the values, in this order.
        misfit: Why rows go to the quarantine with values that do not fit; None: none do.
    """

    input: str
    output: pa.Field
    conversions: tuple[Conversion, ...] = ()
    misfit: str | None = None

    def fields(self, kind: pa.DataType) -> list[pa.Field]:
        """The column, and the one with what does not fit."""
        for conversion in self.conversions:
            kind = conversion.type_of(kind)
        found = [self.output.with_type(kind)]
        if self.misfit is not None:
            reason = {MISFIT: self.misfit}
            found.append(pa.field(f"{self.output.name} as it came", pa.string(), metadata=reason))
        return found


@dataclass(frozen=True)
class Arrange:
    """Makes columns of those that come; each that does not change is handed on as it is.

    Attributes:
        columns: The columns.
        incoming: The schema of what comes.
    """

    columns: Sequence[Made]
    incoming: pa.Schema
    schema: pa.Schema = field(init=False)

    def __post_init__(self) -> None:
        fields = [made for each in self.columns for made in each.fields(self.incoming.field(each.input).type)]
        object.__setattr__(self, "schema", pa.schema(fields))

    def apply(self, batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """Change batches."""
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
    """Adds columns that are not made of values.

    Attributes:
        columns: The columns, and what makes their values for a batch.
        incoming: The schema of what comes.
    """

    columns: Sequence[tuple[pa.Field, Make]]
    incoming: pa.Schema
    schema: pa.Schema = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "schema", pa.schema([*self.incoming, *(column for column, _ in self.columns)]))

    def apply(self, batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """Change batches."""
        return list(map(self._added_to, batches))

    def _added_to(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = [*batch.columns, *(make(batch) for _, make in self.columns)]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)
