"""Tables that others filled, held against their source row by row, and loaded again where they differ."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace as changed
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.schema import Schema
from pyiceberg.types import DoubleType, ListType, LongType, NestedField, StringType, TimestamptzType

from influx_lake.config import Measurement, OnShrink, TimeType, TypeOptions
from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.transforms.column_selection import TagOptions
from influx_lake.config.transforms.options import Duplicates, TransformOptions
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.errors import CommitConflict, ConfigurationError, DataRefused, SourceUnavailable, WindowShrank
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.replication.adoption.adopted_window import AdoptedWindow, Outcome
from influx_lake.replication.adoption.adopting import Adoption, adoption_of
from influx_lake.replication.observing import Work, observed_by
from influx_lake.replication.window import MeasurementWindow
from influx_lake.sources.protocol import RowStream
from influx_lake_tests.unit.replication.fake_source import FakeSource
from influx_lake_tests.unit.replication.loading import CPU, day, exact, held, load

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WINDOWS = [day(number) for number in range(3)]
FIELDS = (
    NestedField(1, "time", TimestamptzType(), required=True),
    NestedField(2, "host", StringType(), required=True),
    NestedField(3, "value", DoubleType(), required=True),
)


def foreign(catalog: Catalog, *rows: pa.Table, fields: tuple[NestedField, ...] = FIELDS) -> None:
    """A table that somebody else made of rows."""
    catalog.create_namespace_if_not_exists(CPU.namespace)
    table = catalog.create_table(CPU.identifier, Schema(*fields))
    for each in rows:
        append(catalog, each)
    assert table.metadata.table_uuid


def append(catalog: Catalog, rows: pa.Table) -> None:
    table = catalog.load_table(CPU.identifier)
    schema = table.schema().as_arrow()
    time = rows["time"].cast(pa.timestamp("us"), safe=False).cast(pa.timestamp("us", "UTC"))
    rows = rows.set_column(0, "time", time)
    table.append(pa.table([rows[name].cast(schema.field(name).type) for name in schema.names], schema=schema))


def begin(
    source: FakeSource,
    catalog: Catalog,
    measurement: Measurement = CPU,
    *,
    into: str | None = None,
    dry_run: bool = False,
    drop_copies: bool = False,
) -> Adoption:
    found = adoption_of(
        source, catalog, measurement, now=NOW, run_id="test", into=into, dry_run=dry_run, drop_copies=drop_copies
    )
    assert found is not None
    return found


def adopt(
    source: FakeSource, catalog: Catalog, measurement: Measurement = CPU, into: str | None = None
) -> list[AdoptedWindow]:
    return list(begin(source, catalog, measurement, into=into).windows(WINDOWS))


def outcomes(found: list[AdoptedWindow]) -> list[str]:
    return [str(each.outcome) for each in found]


def snapshots(catalog: Catalog) -> int:
    return len(catalog.load_table(CPU.identifier).metadata.snapshots)


@pytest.fixture
def filled(source: FakeSource, catalog: Catalog) -> FakeSource:
    """Three days of a source; of the first the table has all, of the second all of it twice, of the third nothing."""
    for window in WINDOWS:
        source.put(window, 10)
    first, second = source.rows.slice(0, 10), source.rows.slice(10, 10)
    foreign(catalog, first, second, second)
    return source


def test_each_window_that_differs_is_a_commit_and_the_others_are_one(filled: FakeSource, catalog: Catalog) -> None:
    before = snapshots(catalog)
    found = adopt(filled, catalog)
    assert outcomes(found) == ["equal", "loaded", "loaded"]
    assert [each.explanation for each in found] == ["equal", "10 rows doubled", "10 rows missing"]
    assert exact(filled, catalog)
    assert snapshots(catalog) == before + 3
    state = table_state(catalog.load_table(CPU.identifier))
    assert (state.owner, state.coverage.intervals) == (filled.identity, (Window(WINDOWS[0].start, WINDOWS[-1].end),))
    assert outcomes(adopt(filled, catalog)) == ["equal"] * 3
    assert snapshots(catalog) == before + 3
    # Loads go on from there, as with any table of ours.
    filled.put(WINDOWS[1], 3, host="late")
    assert load(filled, catalog, WINDOWS[1]).rows == 13


def test_a_dry_run_changes_nothing(filled: FakeSource, catalog: Catalog) -> None:
    before = catalog.load_table(CPU.identifier).metadata_location
    adoption = begin(filled, catalog, dry_run=True)
    assert (adoption.repair.optional, adoption.owner, adoption.is_unpartitioned) == (("host", "value"), None, True)
    assert outcomes(list(adoption.windows(WINDOWS))) == ["equal", "loaded", "loaded"]
    assert catalog.load_table(CPU.identifier).metadata_location == before


def test_what_was_done_stays_where_a_window_fails_and_the_next_time_goes_on(
    filled: FakeSource, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = FakeSource.read

    @contextmanager
    def broken(self: FakeSource, schema: MeasurementSchema, window: Window) -> Iterator[RowStream]:
        if window == WINDOWS[2]:
            raise SourceUnavailable("away")
        with read(self, schema, window) as rows:
            yield rows

    monkeypatch.setattr(FakeSource, "read", broken)
    with pytest.raises(SourceUnavailable) as caught:
        adopt(filled, catalog)
    assert (caught.value.measurement, caught.value.window) == ("cpu", str(WINDOWS[2]))
    coverage = table_state(catalog.load_table(CPU.identifier)).coverage
    assert coverage.intervals == (Window(WINDOWS[0].start, WINDOWS[1].end),)
    monkeypatch.undo()
    assert outcomes(adopt(filled, catalog)) == ["equal", "equal", "loaded"]
    assert exact(filled, catalog)


def test_rows_that_a_source_loses_sight_of_for_a_moment_are_neither_doubled_nor_lost(
    source: FakeSource, catalog: Catalog
) -> None:
    """InfluxDB 3 does while it moves rows to files."""
    source.put(WINDOWS[0], 10)
    source.put(WINDOWS[0], 5, host="b")
    whole = source.rows
    foreign(catalog, whole, whole)
    answers = [whole.slice(3), whole]

    @dataclass
    class Forgetful(FakeSource):
        @contextmanager
        def read(self, schema: MeasurementSchema, window: Window) -> Iterator[RowStream]:
            self.rows = answers.pop(0)
            with super().read(schema, window) as rows:
                yield rows

    [found] = begin(Forgetful(rows=whole), catalog).windows(WINDOWS[:1])
    assert (found.found.gone, found.kept) == (6, 6)
    assert exact(source, catalog)

    append(catalog, whole)
    answers[:] = [whole, whole.slice(3)]
    with pytest.raises(WindowShrank, match=r"15 rows of .* were compared, and 12 were read"):
        list(begin(Forgetful(rows=whole), catalog).windows(WINDOWS[:1]))
    assert len(held(catalog)) == 30


def test_a_table_that_others_write_to_meanwhile_is_not_recorded(source: FakeSource, catalog: Catalog) -> None:
    source.put(WINDOWS[0], 10)
    foreign(catalog, source.rows)
    adopting = begin(source, catalog).windows(WINDOWS)
    next(adopting)
    append(catalog, source.rows)
    with pytest.raises(CommitConflict, match="had 10 rows when it was compared, and has 20"):
        list(adopting)
    assert outcomes(adopt(source, catalog)) == ["loaded", "equal", "equal"]
    assert exact(source, catalog)


def test_a_window_that_is_open_is_loaded_where_it_differs_and_stays_due(source: FakeSource, catalog: Catalog) -> None:
    source.put(WINDOWS[0], 10)
    foreign(catalog, source.rows, source.rows)
    adoption = begin(source, catalog)
    noon = changed(adoption, now=WINDOWS[0].start.replace(hour=12))
    assert outcomes(list(noon.windows(WINDOWS[:1]))) == ["loaded"]
    assert outcomes(list(changed(begin(source, catalog), now=noon.now).windows(WINDOWS[:1]))) == ["equal"]
    assert not table_state(catalog.load_table(CPU.identifier)).coverage.holds(WINDOWS[0])
    assert exact(source, catalog)


def test_a_table_with_columns_of_a_pipeline(source: FakeSource, catalog: Catalog) -> None:
    """As dlt appends: ids of its own in each row."""
    source.put(WINDOWS[0], 4)
    fields = (*FIELDS, NestedField(4, "_dlt_id", StringType(), required=True))
    ids = pa.array(["a", "b", "c", "d"])
    gone = source.rows.slice(3).append_column("_dlt_id", ids.slice(3))
    foreign(catalog, source.rows.append_column("_dlt_id", ids), fields=fields)
    source.rows = source.rows.slice(0, 3)
    adoption = begin(source, catalog)
    assert (adoption.repair.only_there, adoption.repair.optional) == (("_dlt_id",), ("host", "value", "_dlt_id"))
    [window, *_] = adoption.windows(WINDOWS)
    assert (window.outcome, window.kept) == (Outcome.KEPT, 1)
    assert held(catalog)["_dlt_id"].to_pylist() == ["a", "b", "c", "d"]
    source.put(WINDOWS[0], 1, host="late")
    [window, *_] = adopt(source, catalog)
    assert (window.outcome, window.kept, window.found.missing) == (Outcome.LOADED, 1, 1)
    assert sorted(held(catalog)["_dlt_id"].to_pylist(), key=str) == [None, None, None, None, "d"]
    assert len(gone) == 1


def test_rows_with_a_column_that_cannot_be_written_again_are_left_alone(source: FakeSource, catalog: Catalog) -> None:
    fields = (*FIELDS, NestedField(4, "list", ListType(5, LongType(), element_required=False), required=False))
    source.put(WINDOWS[0], 4)
    more = source.rows.append_column("list", pa.array([[1], [2], None, [3]], pa.list_(pa.int64())))
    foreign(catalog, more, fields=fields)
    source.forget("a")
    source.put(WINDOWS[0], 1, host="b")
    with pytest.raises(DataRefused, match="have columns of types that loads do not write: 'list'"):
        adopt(source, catalog)
    assert len(held(catalog)) == 4


def test_integers_are_widened_and_not_set_aside(source: FakeSource, catalog: Catalog) -> None:
    from pyiceberg.types import FloatType

    fields = (*FIELDS[:2], NestedField(3, "value", FloatType(), required=False))
    source.put(WINDOWS[0], 4, value=0.5)
    foreign(catalog, source.rows, fields=fields)
    assert outcomes(adopt(source, catalog)) == ["equal"] * 3
    table = catalog.load_table(CPU.identifier)
    assert str(table.schema().find_type("value")) == "double"


def test_into_a_table_of_another_name(filled: FakeSource, catalog: Catalog) -> None:
    foreign_files = catalog.load_table(CPU.identifier).metadata_location
    assert outcomes(adopt(filled, catalog, into="cpu_new")) == ["loaded"] * 3
    assert outcomes(adopt(filled, catalog, into="cpu_new")) == ["done"] * 3
    assert catalog.load_table(CPU.identifier).metadata_location == foreign_files
    assert len(catalog.load_table(("telemetry", "cpu_new")).scan().to_arrow()) == 30


@pytest.mark.slow
def test_the_manifests_of_many_appends_become_few(source: FakeSource, catalog: Catalog) -> None:
    for window in WINDOWS:
        source.put(window, 8)
    foreign(catalog, *(source.rows.slice(max(0, number - 1), 2) for number in range(24)))
    adopt(source, catalog)
    table = catalog.load_table(CPU.identifier)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert len(snapshot.manifests(table.io)) < 10
    assert exact(source, catalog)


def test_what_cannot_be_adopted(filled: FakeSource, catalog: Catalog) -> None:
    shared = changed(CPU, share=Share("measurement", "cpu", is_alone=False))
    with pytest.raises(ConfigurationError, match="may hold several measurements"):
        adopt(filled, catalog, shared)
    assert adoption_of(filled, catalog, changed(CPU, table="none"), now=NOW, run_id="test") is None
    zoneless = changed(CPU, types=TypeOptions(time_type=TimeType.TIMESTAMP))
    with pytest.raises(Exception, match="is a timestamptz, which cannot become a timestamp in place"):
        adopt(filled, catalog, zoneless)
    assert begin(filled, catalog, zoneless, dry_run=True).repair.time == "timestamptz"


def test_the_source_is_believed_where_that_is_configured(filled: FakeSource, catalog: Catalog) -> None:
    filled.rows = filled.rows.slice(5)
    adopt(filled, catalog, changed(CPU, on_shrink=OnShrink.REPLACE))
    assert exact(filled, catalog)


def test_its_loads_are_reported_as_any_other(filled: FakeSource, catalog: Catalog) -> None:
    told: list[tuple[str, Window, int]] = []

    class Observer:
        def begun(self, work: Work) -> None:
            assert isinstance(work, MeasurementWindow)
            told.append(("begun", work.window, 0))

        def loaded(self, work: Work, results: Sequence[WindowResult]) -> None:
            told.append(("loaded", work.window, sum(each.rows for each in results)))

        def failed(self, work: Work, error: BaseException) -> None:
            raise AssertionError(work, error)

    with observed_by(Observer()):
        adopt(filled, catalog)
    assert told == [(what, window, rows) for window in WINDOWS[1:] for what, rows in (("begun", 0), ("loaded", 10))]


@pytest.mark.parametrize("into", [None, "cpu_new"])
def test_copies_of_rows_that_the_source_does_not_have_go_where_that_is_configured(
    source: FakeSource, catalog: Catalog, into: str | None
) -> None:
    for window in WINDOWS:
        source.put(window, 4, value=math.nan)
    rows = source.rows
    other = rows.slice(0, 1).set_column(2, "value", pa.array([1.0]))
    foreign(catalog, rows, rows, other)
    # Nothing of the first day, the first half of the second, all of the third.
    source.rows = rows.slice(4, 2).slice(0, 2)
    source.rows = pa.concat_tables([source.rows, rows.slice(8)])
    found = list(begin(source, catalog, into=into, drop_copies=True).windows(WINDOWS))
    assert [(each.found.gone, each.kept, each.copies) for each in found] == [(9, 5, 4), (4, 2, 2), (0, 0, 0)]
    assert outcomes(found) == ["loaded"] * 3
    assert found[0].explanation == "9 rows no longer in the source, 4 of these copies of others, which go"
    table = catalog.load_table((*CPU.namespace, into or "cpu")).scan().to_arrow()
    expected = pa.concat_tables([rows, other])
    assert Counter(map(repr, table.select(["host", "value"]).to_pylist())) == Counter(
        map(repr, expected.select(["host", "value"]).to_pylist())
    )
    assert len(set(table["time"].to_pylist())) == 12
    again = list(begin(source, catalog, into=into, drop_copies=True).windows(WINDOWS))
    assert outcomes(again) == (["kept", "kept", "equal"] if into is None else ["done"] * 3)


def test_copies_are_not_distinguished_from_rows_of_other_points_where_a_tag_is_left_out(
    filled: FakeSource, catalog: Catalog
) -> None:
    left_out = TransformOptions(tags=TagOptions(include=()), duplicates=Duplicates.KEEP)
    with pytest.raises(ConfigurationError, match="does not have all tags of cpu"):
        begin(filled, catalog, changed(CPU, transforms=left_out), drop_copies=True)
