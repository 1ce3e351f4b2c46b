"""Windows that were loaded under another definition of columns and rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config import Measurement, OnChangedValues, WriteMode, WriteOptions
from influx_lake.config.transforms.definition import UNCHANGED
from influx_lake.config.transforms.options import TransformOptions
from influx_lake.config.values.windows import Window
from influx_lake.errors import SchemaConflict, WindowShrank
from influx_lake.iceberg.table_state import table_state
from influx_lake.replication.comparison.compare_windows import Depth, compare_windows
from influx_lake.replication.definition import outdated_windows
from influx_lake_tests.unit.replication.fake_source import FakeSource
from influx_lake_tests.unit.replication.loading import CPU, day, load


def cpu(**options: Any) -> Measurement:
    return replace(CPU, transforms=TransformOptions.model_validate(options))


def outdated(catalog: Catalog, of: Measurement) -> list[Window]:
    return outdated_windows(of, table_state(catalog.load_table(of.identifier)))


@pytest.fixture
def source() -> FakeSource:
    found = FakeSource()
    for number in range(4):
        found.put(day(number), 3)
    return found


def test_a_definition_changes_with_what_makes_rows_and_not_with_labels() -> None:
    one = cpu(computed={"a": "value + 1"})
    assert cpu().definition == UNCHANGED == cpu(tags={"tier": "gold"}).definition
    assert one.definition == cpu(computed={"a": "value + 1"}, tags={"tier": "gold"}).definition
    assert one.definition != cpu(computed={"a": "value + 2"}).definition
    assert len({cpu(formats={"at": form}).definition for form in ("%d.%m.%Y", "%m.%d.%Y")} - {UNCHANGED}) == 2
    assert cpu(on_cast_error="null").definition not in (UNCHANGED, cpu(on_cast_error="quarantine").definition)


def test_windows_are_outdated_until_they_are_loaded_again(catalog: Catalog, source: FakeSource) -> None:
    first, second = cpu(computed={"more": "value + 1"}), cpu(computed={"more": "value + 2"})
    for number in range(3):
        load(source, catalog, day(number), first)
    assert outdated(catalog, first) == []
    assert outdated(catalog, second) == [day(0), day(1), day(2)]
    load(source, catalog, day(1), second)
    assert outdated(catalog, second) == [day(0), day(2)]
    load(source, catalog, day(3), second)
    load(source, catalog, day(2), second)
    assert outdated(catalog, second) == [day(0)]
    # Back again: of the windows since loaded it is known that they are of the other definition.
    assert outdated(catalog, first) == [day(0), day(1), day(2), day(3)]
    load(source, catalog, day(0), second)
    assert outdated(catalog, second) == []


def test_a_table_without_transforms_is_outdated_when_it_gets_some_and_keeps_its_columns(
    catalog: Catalog, source: FakeSource
) -> None:
    load(source, catalog, day(0))
    assert outdated(catalog, CPU) == []
    renamed = cpu(rename={"value": "used"}, constants={"version": "1"})
    assert outdated(catalog, renamed) == [day(0)]
    load(source, catalog, day(1), renamed)
    assert outdated(catalog, renamed) == [day(0)]
    load(source, catalog, day(2), CPU)
    rows = catalog.load_table(CPU.identifier).scan().to_arrow().sort_by("time").to_pylist()
    assert [(row["value"], row["used"], row["version"]) for row in rows[::3]] == [
        (0.0, None, None),
        (None, 0.0, "1"),
        (0.0, None, None),
    ]


def test_rows_added_to_a_window_do_not_make_it_one_of_the_new_definition(catalog: Catalog, source: FakeSource) -> None:
    of = replace(cpu(constants={"version": "1"}), write=WriteOptions(mode=WriteMode.APPEND))
    load(source, catalog, day(0), of)
    changed = replace(of, transforms=TransformOptions.model_validate({"constants": {"version": "2"}}))
    load(source, catalog, day(1), changed)
    assert outdated(catalog, changed) == [day(0)]


def test_a_definition_that_is_taken_back_does_not_look_like_a_source_that_went_back(
    catalog: Catalog, source: FakeSource
) -> None:
    one, other = (
        replace(cpu(computed={"more": f"value + {number}"}), on_changed_values=OnChangedValues.REPORT)
        for number in (1, 2)
    )
    for of in (one, other, one):
        load(source, catalog, day(0), of)
    assert outdated(catalog, one) == []
    assert catalog.load_table(CPU.identifier).scan().to_arrow()["more"].to_pylist() == [1.0] * 3
    [compared] = compare_windows(source, catalog, other, [day(0)], depth=lambda _: Depth.PROFILE)
    assert (compared.changed, compared.evidence, compared.is_curable) == (("more",), None, True)


def test_the_time_of_a_table_that_has_rows_keeps_its_name(catalog: Catalog, source: FakeSource) -> None:
    load(source, catalog, day(0))
    with pytest.raises(SchemaConflict, match=r"no column 'ts'.*loads called it otherwise so far; .* are time"):
        load(source, catalog, day(1), cpu(rename={"time": "ts"}))


def test_a_filter_that_came_later_may_be_why_rows_are_missing(catalog: Catalog, source: FakeSource) -> None:
    load(source, catalog, day(0))
    filtered = cpu(where="value > 100")
    with pytest.raises(
        WindowShrank, match=r"loaded under another definition.*which may be why\. If it is: .*--replace"
    ):
        load(source, catalog, day(0), filtered)
    load(source, catalog, day(0), filtered.replacing_all())
    assert outdated(catalog, filtered) == []
