"""Messages of topics get into tables once, whenever the process ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config import Lake, write_discovered
from influx_lake.config.values.windows import Window
from influx_lake.errors import PermanentSourceError, StreamBehind, StreamOvertaken
from influx_lake.iceberg.streams.position import position_in
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.replication.discovery import discover_measurements
from influx_lake.replication.window import replicate_window
from influx_lake.sources import open_source
from influx_lake_tests.unit.streaming.topics import (
    NOON,
    Killed,
    MemoryTopics,
    add_all,
    killed_at,
    lake_of,
    line,
    rows_of,
    stream_of,
    topics_of,
)


@pytest.fixture
def filled(lake_folder: Path) -> MemoryTopics:
    """Two partitions with points of two measurements, one that is none, and a point that comes twice."""
    topics = topics_of(lake_of(lake_folder))
    for second in range(6):
        topics.put(0, line("cpu", 0, second, usage=float(second)), line("mem", 0, second, used=f"{second}i"))
        topics.put(1, line("cpu", 1, second, usage=float(second)))
    topics.put(0, b"nonsense", line("cpu", 0, 2, usage=99.0), line("cpu", 0, 3, idle=1.0))
    return topics


def check(catalog: Catalog, topics: MemoryTopics) -> None:
    """Tables hold what the messages say, and say how far they are."""
    cpu = rows_of(catalog, "telemetry.cpu", "host, time")
    assert [row["usage"] for row in cpu] == [0.0, 1.0, 99.0, 3.0, 4.0, 5.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert [row["idle"] for row in cpu][:6] == [None, None, None, 1.0, None, None]
    assert [row["used"] for row in rows_of(catalog, "telemetry.mem", "time")] == list(range(6))
    (dead,) = rows_of(catalog, "telemetry.events__dead_letters")
    assert (dead["topic"], dead["partition"], dead["offset"], dead["reason"]) == ("telegraf", 0, 12, "has no fields")
    assert dead["message"] == "nonsense"
    held = position_in(catalog.load_table("telemetry.cpu"), "events")
    assert held is not None
    assert held.offsets == topics.ends(topics.partitions())


@pytest.mark.parametrize("most", [100, 1, 4])
def test_points_are_added_once_in_the_order_of_their_messages(
    catalog: Catalog, lake_folder: Path, filled: MemoryTopics, most: int
) -> None:
    stream = stream_of(lake_of(lake_folder), catalog)
    add_all(stream, filled, most)
    check(catalog, filled)
    assert (stream.ledger.messages, stream.ledger.dead_letters) == (21, 1)
    before = catalog.load_table("telemetry.cpu").metadata.current_snapshot_id
    add_all(stream_of(lake_of(lake_folder), catalog), filled)
    assert catalog.load_table("telemetry.cpu").metadata.current_snapshot_id == before


def _commits(catalog: Catalog, lake_folder: Path, filled: MemoryTopics) -> int:
    with killed_at(catalog, 10**6, after=False) as seen:
        add_all(stream_of(lake_of(lake_folder), catalog), filled, 5)
    return seen[0]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("commit", [2, 3, 7, *(pytest.param(each, marks=pytest.mark.slow) for each in range(1, 13))])
def test_a_kill_at_any_commit_leaves_offsets_and_rows_in_agreement(
    catalog: Catalog, lake_folder: Path, filled: MemoryTopics, commit: int, after: bool
) -> None:
    lake = lake_of(lake_folder, options=", tables_at_once: 1")
    with killed_at(catalog, commit, after=after), pytest.raises(Killed):
        add_all(stream_of(lake, catalog), filled, 5)
    # Another kill while it is made good, and once more as it is.
    with killed_at(catalog, 2, after=not after), pytest.raises(Killed):
        add_all(stream_of(lake, catalog), filled, 3)
    stream = stream_of(lake, catalog)
    add_all(stream, filled, 100)
    check(catalog, filled)
    assert stream.ledger.under_way is None
    assert stream.ledger.messages == 21


@pytest.mark.slow
def test_kills_are_at_every_commit_there_is(catalog: Catalog, lake_folder: Path, filled: MemoryTopics) -> None:
    assert 12 <= _commits(catalog, lake_folder, filled) <= 16


def test_of_two_processes_of_a_stream_one_ends(catalog: Catalog, lake_folder: Path, filled: MemoryTopics) -> None:
    first, second = (stream_of(lake_of(lake_folder), catalog) for _ in range(2))
    add_all(first, filled, 3)
    second.open(filled)
    filled.put(1, line("cpu", 1, 7, usage=7.0))
    ends = filled.ends(filled.partitions())
    filled.between(first.ledger.position.offsets, ends, first.add)
    with pytest.raises(StreamOvertaken, match="another process of the stream events"):
        filled.between(second.ledger.position.offsets, ends, second.add)
    assert len(rows_of(catalog, "telemetry.cpu")) == 13


def test_a_table_that_was_rolled_back_gets_again_what_it_had(
    catalog: Catalog, lake_folder: Path, filled: MemoryTopics
) -> None:
    lake = lake_of(lake_folder)
    add_all(stream_of(lake, catalog), filled, 3)
    table = catalog.load_table("telemetry.cpu")
    table.manage_snapshots().rollback_to_snapshot(table.metadata.snapshots[1].snapshot_id).commit()
    add_all(stream_of(lake, catalog), filled)
    check(catalog, filled)


def test_a_table_that_was_dropped_gets_again_what_it_had(
    catalog: Catalog, lake_folder: Path, filled: MemoryTopics
) -> None:
    lake = lake_of(lake_folder)
    add_all(stream_of(lake, catalog), filled, 3)
    catalog.drop_table("telemetry.mem")
    add_all(stream_of(lake, catalog), filled)
    check(catalog, filled)


def test_messages_that_are_gone_are_reported_and_not_passed_over(
    catalog: Catalog, lake_folder: Path, filled: MemoryTopics
) -> None:
    lake = lake_of(lake_folder)
    add_all(stream_of(lake, catalog), filled)
    filled.put(0, *(line("cpu", 0, second, usage=1.0) for second in range(100, 110)))
    filled.first = 20
    with pytest.raises(PermanentSourceError, match="telegraf, partition 0: 5 messages before offset 20"):
        stream_of(lake, catalog).open(filled)
    stream = stream_of(lake, catalog)
    stream.open(filled, accept_loss=True)
    assert stream.ledger.position.offsets["telegraf"][0] == 20


def test_a_table_that_is_dropped_after_the_dead_letters_gets_again_what_it_had(
    catalog: Catalog, lake_folder: Path, filled: MemoryTopics
) -> None:
    lake = lake_of(lake_folder)
    add_all(stream_of(lake, catalog), filled)
    before = rows_of(catalog, "telemetry.cpu", "host, time")
    catalog.drop_table("telemetry.events__dead_letters")
    add_all(stream_of(lake, catalog), filled)
    catalog.drop_table("telemetry.cpu")
    add_all(stream_of(lake, catalog), filled)
    assert rows_of(catalog, "telemetry.cpu", "host, time") == before


def test_a_topic_that_was_made_anew_is_reported_however_many_messages_it_has(
    catalog: Catalog, lake_folder: Path, filled: MemoryTopics
) -> None:
    lake = lake_of(lake_folder)
    add_all(stream_of(lake, catalog), filled)
    filled.messages.clear()
    filled.made = 2
    filled.put(0, *(line("cpu", 7, second, usage=1.0) for second in range(100)))
    with pytest.raises(PermanentSourceError, match="telegraf: it was deleted and created again"):
        stream_of(lake, catalog).open(filled)
    stream_of(lake, catalog).open(filled, accept_loss=True)
    add_all(stream_of(lake, catalog), filled)
    assert sum(row["host"] == "h7" for row in rows_of(catalog, "telemetry.cpu")) == 100


def test_what_takes_up_offsets_and_is_no_message_is_no_lag(
    catalog: Catalog, lake_folder: Path, filled: MemoryTopics
) -> None:
    stream = stream_of(lake_of(lake_folder), catalog)
    add_all(stream, filled)
    ends = {"telegraf": {0: 20, 1: 20}}
    for partition, each in filled.messages["telegraf"].items():
        # As the end of a transaction does.
        filled.put(partition, *[None] * (ends["telegraf"][partition] - len(each)))
    stream.note_lag(filled, ends)
    assert stream.ledger.lags["telegraf"][0].messages == 0
    assert stream.ledger.caught_up_at is not None
    filled.first = 20
    stream_of(lake_of(lake_folder), catalog).open(filled)


def test_streamed_time_is_tailed_up_to_the_newest_point_and_stays_due(
    catalog: Catalog, lake_folder: Path, filled: MemoryTopics
) -> None:
    filled.put(1, line("cpu", 1, 3600 + 60, usage=1.0))
    add_all(stream_of(lake_of(lake_folder), catalog), filled)
    coverage = table_state(catalog.load_table("telemetry.cpu")).coverage
    assert str(coverage) == ""
    assert [str(each) for each in coverage.tails] == [
        "2026-01-01T12:00:00Z/2026-01-01T12:00:05.000001Z",
        "2026-01-01T13:00:00Z/2026-01-01T13:01:00.000001Z",
    ]


def test_files_without_a_point_that_comes_stay_as_they_are(
    catalog: Catalog, lake_folder: Path, filled: MemoryTopics
) -> None:
    lake = lake_of(lake_folder)
    add_all(stream_of(lake, catalog), filled)
    (before,) = [task.file.file_path for task in catalog.load_table("telemetry.cpu").scan().plan_files()]
    # Of the same time, and another series; of a time in between.
    filled.put(1, line("cpu", 2, 3, usage=1.0))
    add_all(stream_of(lake, catalog), filled)
    files = [task.file.file_path for task in catalog.load_table("telemetry.cpu").scan().plan_files()]
    assert before in files
    assert len(files) == 2
    filled.put(1, line("cpu", 2, 3, usage=2.0))
    add_all(stream_of(lake, catalog), filled)
    files = [task.file.file_path for task in catalog.load_table("telemetry.cpu").scan().plan_files()]
    assert before in files
    assert len(files) == 2
    assert [row["usage"] for row in rows_of(catalog, "telemetry.cpu") if row["host"] == "h2"] == [2.0]


def test_a_tag_that_messages_lack_is_part_of_the_key_all_the_same(catalog: Catalog, lake_folder: Path) -> None:
    lake = lake_of(lake_folder)
    topics = topics_of(lake)
    time = NOON * 10**9
    topics.put(0, f"cpu,core=a,host=h usage=1 {time}".encode(), f"cpu,core=b,host=h usage=2 {time}".encode())
    add_all(stream_of(lake, catalog), topics)
    topics.put(0, f"cpu,host=h usage=3 {time}".encode(), f"cpu,core=a,host=h usage=4 {time}".encode())
    add_all(stream_of(lake, catalog), topics, 1)
    rows = {row["core"]: row["usage"] for row in rows_of(catalog, "telemetry.cpu")}
    assert rows == {None: 3.0, "a": 4.0, "b": 2.0}


def test_transforms_know_the_columns_of_earlier_messages(catalog: Catalog, lake_folder: Path) -> None:
    options = "{cpu: {rename: {host: server}, computed: {share: 'used / total'}}}"
    lake = lake_of(lake_folder, options)
    topics = topics_of(lake)
    topics.put(0, line("cpu", 0, 0, used=1.0, total=4.0), line("cpu", 0, 1, other=1.0))
    add_all(stream_of(lake, catalog), topics, 1)
    assert [(row["server"], row["share"]) for row in rows_of(catalog, "telemetry.cpu", "time")] == [
        ("h0", 0.25),
        ("h0", None),
    ]


def test_several_measurements_share_a_long_table(catalog: Catalog, lake_folder: Path, filled: MemoryTopics) -> None:
    lake = lake_of(lake_folder, defaults=", layout: {long: {integers: true}}")
    with killed_at(catalog, 3, after=True), pytest.raises(Killed):
        add_all(stream_of(lake, catalog), filled, 4)
    add_all(stream_of(lake, catalog), filled, 4)
    rows = rows_of(catalog, "telemetry.all_metrics")
    values = sorted((row["measurement"], row["metric_name"]) for row in rows)
    assert values == [("cpu", "idle")] + [("cpu", "usage")] * 12 + [("mem", "used")] * 6


def test_patterns_get_tables_for_names_that_come_and_others_are_counted(
    catalog: Catalog, lake_folder: Path, filled: MemoryTopics
) -> None:
    lake = lake_of(lake_folder, "{'m*': {}}")
    found = dict[str, set[str]]()
    stream = stream_of(lake, catalog)
    stream.found = found.update
    add_all(stream, filled)
    assert len(rows_of(catalog, "telemetry.mem")) == 6
    assert found == {"events": {"mem"}}
    assert stream.ledger.unmatched == {"cpu": 12}
    assert not catalog.table_exists("telemetry.cpu")


def test_discovery_leaves_alone_what_a_stream_found(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, "{'m*': {}}")
    write_discovered(lake.root, {"events": {"mem"}})
    survey, _ = discover_measurements(lake, lambda name: open_source(lake.source(name)))
    assert [each.name for each in survey.lake.measurements] == ["mem"]


def test_types_that_do_not_fit_go_to_the_quarantine_once(catalog: Catalog, lake_folder: Path) -> None:
    lake = lake_of(lake_folder, defaults=", on_type_conflict: quarantine")
    topics = topics_of(lake)
    topics.put(0, line("cpu", 0, 0, usage=1.0))
    add_all(stream_of(lake, catalog), topics)
    topics.put(0, line("cpu", 0, 1, usage='"text"'), line("cpu", 0, 2, usage=2.0))
    # Between the quarantine's commit and the table's.
    with killed_at(catalog, 2, after=True), pytest.raises(Killed):
        add_all(stream_of(lake, catalog), topics)
    add_all(stream_of(lake, catalog), topics)
    topics.put(0, line("cpu", 0, 3, usage='"text"'))
    add_all(stream_of(lake, catalog), topics)
    assert len(rows_of(catalog, "telemetry.cpu")) == 2
    assert len(rows_of(catalog, "telemetry.cpu__quarantine")) == 2


def test_points_from_before_anything_is_kept_are_counted(
    catalog: Catalog, lake_folder: Path, filled: MemoryTopics
) -> None:
    stream = stream_of(lake_of(lake_folder), catalog)
    filled.put(0, line("cpu", 0, -86_400, usage=1.0), line("mem", 0, -86_400, used="1i"))
    add_all(stream, filled)
    assert stream.ledger.outside == 2
    check(catalog, filled)
    filled.put(0, line("cpu", 0, -86_400, usage=1.0))
    add_all(stream, filled)
    add_all(stream_of(lake_of(lake_folder), catalog), filled)
    assert (stream.ledger.outside, len(rows_of(catalog, "telemetry.cpu"))) == (3, 12)


def test_lag_is_noted_and_the_moment_when_there_was_none(
    catalog: Catalog, lake_folder: Path, filled: MemoryTopics
) -> None:
    stream = stream_of(lake_of(lake_folder), catalog)
    add_all(stream, filled)
    stream.note_lag(filled)
    caught_up = stream.ledger.caught_up_at
    assert caught_up is not None
    filled.put(1, line("cpu", 1, 9, usage=1.0), line("cpu", 1, 10, usage=1.0))
    stream.note_lag(filled)
    assert stream.ledger.lags["telegraf"][1].messages == 2
    assert stream.ledger.caught_up_at == caught_up


def _sealed(lake: Lake, catalog: Catalog, hour: int) -> WindowResult:
    window = Window.parse(f"2026-01-01T{hour}:00:00Z/2026-01-01T{hour + 1}:00:00Z")
    return replicate_window(open_source(lake.source("events")), catalog, lake.find("cpu"), window, run_id="seal")


def test_a_window_is_sealed_by_what_the_stream_knows(catalog: Catalog, lake_folder: Path, filled: MemoryTopics) -> None:
    lake = lake_of(lake_folder)
    stream = stream_of(lake, catalog)
    filled.put(1, line("cpu", 1, 3600 + 60, usage=1.0))
    with pytest.raises(StreamBehind, match="has never caught up with its topics"):
        _sealed(lake, catalog, 12)
    add_all(stream, filled)
    stream.note_lag(filled)
    files = {task.file.file_path for task in catalog.load_table("telemetry.cpu").scan().plan_files()}
    done = _sealed(lake, catalog, 12)
    assert (done.rows, done.previous_rows) == (12, 12)
    table = catalog.load_table("telemetry.cpu")
    assert {task.file.file_path for task in table.scan().plan_files()} == files
    assert str(table_state(table).coverage) == "2026-01-01T12:00:00Z/2026-01-01T13:00:00Z"
    # A window without points is whole, too; and points that come late are added to what is sealed.
    assert _sealed(lake, catalog, 14).rows == 0
    filled.put(0, line("cpu", 0, 30, usage=1.0))
    add_all(stream_of(lake, catalog), filled)
    assert len(rows_of(catalog, "telemetry.cpu")) == 14
    assert "2026-01-01T12:00:00Z/2026-01-01T13:00:00Z" in str(table_state(catalog.load_table("telemetry.cpu")).coverage)
    with pytest.raises(StreamBehind, match=r"last caught up with its topics at .*, and the window is complete once"):
        replicate_window(
            open_source(lake.source("events")),
            catalog,
            lake.find("cpu"),
            Window.parse("2030-01-01T12:00:00Z/2030-01-01T13:00:00Z"),
            run_id="seal",
        )


def test_a_table_that_was_rolled_back_is_not_sealed(catalog: Catalog, lake_folder: Path, filled: MemoryTopics) -> None:
    lake = lake_of(lake_folder)
    stream = stream_of(lake, catalog)
    add_all(stream, filled, 3)
    stream.note_lag(filled)
    table = catalog.load_table("telemetry.cpu")
    table.manage_snapshots().rollback_to_snapshot(table.metadata.snapshots[1].snapshot_id).commit()
    with pytest.raises(StreamBehind, match="was rolled back"):
        _sealed(lake, catalog, 12)
