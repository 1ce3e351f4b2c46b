"""What a table may become when the source's columns change."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace as changed
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config import SchemaEvolution, TypeOptions
from influx_lake.config.values.windows import Window
from influx_lake.errors import SchemaConflict
from influx_lake.iceberg.target import TableTarget
from influx_lake_tests.unit.iceberg.columns.test_schema import one_column
from influx_lake_tests.unit.iceberg.tables import TARGET, day, held, replace, table

WRITER = "influx_lake_tests.unit.iceberg.columns.evolving_writer"


def on(number: int, kind: pa.DataType, *values: object) -> pa.RecordBatch:
    """Values of one column on a day."""
    times = [(day(number).start_us + i) * 1000 for i in range(len(values))]
    return one_column(kind, list(values)).set_column(0, "time", pa.array(times, pa.timestamp("ns")))


FULL = changed(TARGET, schema_evolution=SchemaEvolution.FULL)


@pytest.mark.parametrize(
    ("narrow", "wide", "values"),
    [
        (pa.int32(), pa.int64(), [1, 2**40]),
        (pa.float32(), pa.float64(), [0.5, 0.1]),
        (pa.decimal128(5, 2), pa.decimal128(9, 2), [1, 100_000]),
    ],
)
def test_full_widens_and_old_files_stay(
    catalog: Catalog, narrow: pa.DataType, wide: pa.DataType, values: list[Any]
) -> None:
    replace(catalog, day(0), on(0, narrow, values[0], values[0]))
    with pytest.raises(SchemaConflict, match="schema_evolution: full"):
        replace(catalog, day(1), on(1, wide, values[1]))
    replace(catalog, day(1), on(1, wide, values[1]), target=FULL)
    assert held(catalog).column("value").to_pylist() == [values[0], *values]
    assert held(catalog).schema.field("value").type == wide
    # A piece of the old file is rewritten in the new type.
    first_microsecond = Window(day(0).start, day(0).start + timedelta(microseconds=1))
    replace(catalog, first_microsecond, on(0, wide, values[1]), target=FULL)
    assert held(catalog).column("value").to_pylist() == [values[1], values[0], values[1]]


def test_full_refuses_what_iceberg_does(catalog: Catalog) -> None:
    replace(catalog, day(0), on(0, pa.float64(), 1.0))
    both = on(1, pa.string(), "x").append_column("more", pa.array([1]))
    with pytest.raises(SchemaConflict, match="'value' is string in the source and double in the table"):
        replace(catalog, day(1), both, target=FULL)
    assert "more" not in table(catalog).schema().column_names


def test_a_wider_override_widens_the_table(catalog: Catalog) -> None:
    def asking(kind: str) -> TableTarget:
        return changed(FULL, types=TypeOptions(types={"value": kind}))

    replace(catalog, day(0), on(0, pa.float64(), 7.0), target=asking("int"))
    replace(catalog, day(1), on(1, pa.float64(), 2.0**40), target=asking("long"))
    assert held(catalog).column("value").to_pylist() == [7, 2**40]
    assert str(table(catalog).schema().find_field("value").field_type) == "long"
    # What is narrower than the table fits it.
    replace(catalog, day(2), on(2, pa.float64(), 1.0), target=asking("int"))
    assert held(catalog).column("value").to_pylist() == [7, 2**40, 1]


@pytest.mark.slow
def test_several_processes_evolve_and_load_at_once(catalog: Catalog, lake_folder: Path) -> None:
    """Each brings columns of its own, all bring one in common, and half of them a wider type."""
    replace(catalog, day(0), on(0, pa.int32(), 0))
    running = [
        subprocess.Popen(
            [sys.executable, "-m", WRITER, str(lake_folder), str(number)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(1, 5)
    ]
    for process in running:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    rows = held(catalog).sort_by("time").to_pylist()
    assert [row["value"] for row in rows] == [0, 1, 2**40 + 2, 3, 2**40 + 4]
    assert [row["common"] for row in rows] == [None, "1", "2", "3", "4"]
    for number in range(1, 5):
        assert [row[f"own_{number}"] for row in rows] == [number if i == number else None for i in range(5)]
