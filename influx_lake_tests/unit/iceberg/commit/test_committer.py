"""A commit in the face of other writers and of catalogs that fail at the worst moment."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy.exc as sql
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    ForbiddenError,
    TooManyRequestsError,
    ValidationException,
    WaitingForLockException,
)

from influx_lake.errors import CatalogRefused, CatalogUnavailable, CommitConflict, CommitOutcomeUnknown
from influx_lake.iceberg.catalogs.commit_lock import commit_lock
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.commit import committer as committing
from influx_lake.iceberg.failures.commit_outcome import Outcome, outcome_of
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.scan.reader import count_rows
from influx_lake.iceberg.table_state import commit_log
from influx_lake_tests.unit.iceberg.interfering import Interfering
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, day, held, replace, rows, stream, table
from testbed.loads import CheckedBy, load_of

BRIEFLY = timedelta(seconds=0.5)


class Refused(Exception):
    """A driver's error that carries an SQLSTATE."""

    def __init__(self, state: str) -> None:
        super().__init__("refused")
        self.pgcode = state


def client_error(code: str) -> Exception:
    from botocore.exceptions import ClientError

    return ClientError({"Error": {"Code": code, "Message": "no"}}, "UpdateTable")


def half_an_answer() -> Exception:
    from pyiceberg.table import CommitTableResponse

    try:
        return AssertionError(CommitTableResponse.model_validate_json('{"metadata-location": "s3:'))
    except ValueError as error:
        return error


LOST = {
    "another writer": CommitFailedException("Table has been updated by another process"),
    "validation": ValidationException("Found conflicting files"),
    "hive lock": WaitingForLockException("lock 7 is waiting"),
    "sqlite locked": sql.OperationalError("UPDATE", {}, Exception("database is locked")),
    "serialization": sql.OperationalError("COMMIT", {}, Refused("40001")),
    "deadlock": sql.DBAPIError("COMMIT", {}, Refused("40P01")),
    "mysql lock wait": sql.OperationalError("UPDATE", {}, Exception(1205, "Lock wait timeout exceeded")),
    "duplicate key": sql.IntegrityError("INSERT", {}, Exception("duplicate key")),
    "glue concurrent": client_error("ConcurrentModificationException"),
    "glue throttled": client_error("ThrottlingException"),
    "rest throttled": TooManyRequestsError("429"),
}
UNKNOWN = {
    "gateway": CommitStateUnknownException("502"),
    "timeout": TimeoutError("timed out"),
    "reset": ConnectionResetError("reset by peer"),
    "database gone": sql.OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly")),
    "half an answer": half_an_answer(),
}


def parquet(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*.parquet")}


def avro(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*.avro")}


def live(catalog: Catalog) -> list[str]:
    return [task.file.file_path.removeprefix("file://") for task in table(catalog).scan().plan_files()]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "SETTLING_SECONDS", 0.2)


@pytest.mark.parametrize("kind", LOST)
def test_a_lost_commit_is_tried_again_with_the_same_files(kind: str, catalog: Catalog, lake_folder: Path) -> None:
    assert outcome_of(LOST[kind]) is Outcome.LOST
    replace(catalog, day(0), rows(day(0), 100))
    Interfering(catalog).before = [LOST[kind]] * 2
    assert replace(catalog, day(0), rows(day(0), 130)).total_rows == 130
    assert len(parquet(lake_folder)) == 2
    used = {
        entry.manifest_path for snapshot in table(catalog).snapshots() for entry in snapshot.manifests(_io(catalog))
    }
    lists = {snapshot.manifest_list for snapshot in table(catalog).snapshots()}
    assert avro(lake_folder) == {path.removeprefix("file://") for path in used | lists}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_commit_that_took_place_and_answered_with_an_error_is_found(kind: str, catalog: Catalog) -> None:
    assert outcome_of(UNKNOWN[kind]) is Outcome.UNKNOWN
    replace(catalog, day(0), rows(day(0), 100))
    interfering = Interfering(catalog)
    interfering.after = [UNKNOWN[kind]]
    commit = replace(catalog, day(0), rows(day(0), 130))
    assert (commit.rows, commit.total_rows, interfering.asked) == (130, 130, 1)
    assert len(table(catalog).snapshots()) == 2


@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_commit_that_did_not_take_place_is_tried_again(kind: str, catalog: Catalog, lake_folder: Path) -> None:
    replace(catalog, day(0), rows(day(0), 100))
    Interfering(catalog).before = [UNKNOWN[kind]]
    assert replace(catalog, day(0), rows(day(0), 130)).total_rows == 130
    assert len(table(catalog).snapshots()) == 2
    assert set(live(catalog)) <= parquet(lake_folder)


def test_a_commit_that_was_repeated_by_a_proxy_is_not_a_conflict(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 100))
    Interfering(catalog).after = [CommitFailedException("409 to the second of two equal requests")]
    assert replace(catalog, day(0), rows(day(0), 130)).total_rows == 130
    assert len(table(catalog).snapshots()) == 2


def test_a_commit_is_found_also_when_its_snapshot_expired(
    catalog: Catalog, properties: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "commit_lock", lambda table: nullcontext())  # as on another machine
    replace(catalog, day(0), rows(day(0), 100))
    interfering = Interfering(catalog)
    interfering.after = [CommitStateUnknownException("504")]
    other = open_catalog("lake", properties)

    def another_run_and_maintenance() -> None:
        interfering.then = lambda: None
        ours = other.load_table(TARGET.identifier).metadata.current_snapshot_id
        replace(other, day(0), rows(day(0), 150))
        other.load_table(TARGET.identifier).maintenance.expire_snapshots().by_id(ours).commit()

    interfering.then = another_run_and_maintenance
    replace(catalog, day(0), rows(day(0), 130))
    assert held(catalog).num_rows == 150
    assert interfering.asked == 1


def test_a_commit_that_lands_late_does_not_double_the_rows(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 100))
    interfering = Interfering(catalog)
    interfering.swallowing = CommitStateUnknownException("504")
    assert replace(catalog, day(0), rows(day(0), 130)).total_rows == 130
    with pytest.raises(CommitFailedException):
        interfering.late[0]()
    assert held(catalog).num_rows == 130
    assert len(live(catalog)) == len(set(live(catalog))) == 1


def test_a_commit_that_lands_while_it_is_tried_again_is_found(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, lake_folder: Path
) -> None:
    replace(catalog, day(0), rows(day(0), 100))
    interfering = Interfering(catalog)
    interfering.swallowing = CommitStateUnknownException("504")
    asked: list[int] = []

    def approve(coming: int, previous: int) -> None:
        asked.append(previous)
        if len(asked) == 2:
            interfering.late[0]()

    commit = replace_window(
        load_of(catalog, TARGET, stream(rows(day(0), 130)), day(0), PROVENANCE, guard=CheckedBy(approve=approve))
    )
    assert (asked, commit.total_rows, held(catalog).num_rows) == ([100, 100], 130, 130)
    assert len(table(catalog).snapshots()) == 2
    assert set(live(catalog)) <= parquet(lake_folder)


def test_a_lost_race_is_planned_again_on_what_won(catalog: Catalog, properties: dict[str, str]) -> None:
    replace(catalog, day(0), rows(day(0), 100))
    other = open_catalog("lake", properties)
    raced: list[int] = []

    def race(coming: int, previous: int) -> None:
        raced.append(previous)
        if len(raced) == 1:
            other.load_table(TARGET.identifier).delete(f"time >= '{day(0).start:%Y-%m-%dT%H:%M:%S}+00:00'")

    commit = replace_window(
        load_of(catalog, TARGET, stream(rows(day(0), 30)), day(0), PROVENANCE, guard=CheckedBy(approve=race))
    )
    assert raced == [100, 0]
    assert commit.previous_rows == 0
    assert count_rows(table(catalog), day(0)) == 30


def test_a_race_that_is_always_lost_ends_and_removes_its_files(catalog: Catalog, lake_folder: Path) -> None:
    replace(catalog, day(0), rows(day(0), 100))
    before = parquet(lake_folder) | avro(lake_folder)
    Interfering(catalog).before = [CommitFailedException("somebody else")] * 1000
    with pytest.raises(CommitConflict, match="somebody else"):
        replace_window(load_of(catalog, TARGET, stream(rows(day(0), 30)), day(0), PROVENANCE, commit_timeout=BRIEFLY))
    assert parquet(lake_folder) | avro(lake_folder) == before


def test_what_the_catalog_refuses_is_not_tried_again(catalog: Catalog, lake_folder: Path) -> None:
    replace(catalog, day(0), rows(day(0), 100))
    before = parquet(lake_folder) | avro(lake_folder)
    interfering = Interfering(catalog)
    interfering.before = [ForbiddenError("403")] * 9
    with pytest.raises(CatalogRefused, match="403"):
        replace(catalog, day(0), rows(day(0), 130))
    assert interfering.asked == 1
    assert parquet(lake_folder) | avro(lake_folder) == before


def test_an_outcome_that_cannot_be_found_out_is_said_to_be_unknown_and_keeps_its_files(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, lake_folder: Path
) -> None:
    replace(catalog, day(0), rows(day(0), 100))
    before = parquet(lake_folder)
    load_table = catalog.load_table

    def vanish() -> None:
        monkeypatch.setattr(catalog, "load_table", _raising(ConnectionError("refused")))

    interfering = Interfering(catalog)
    interfering.then, interfering.after = vanish, [ConnectionError("reset")]
    with pytest.raises(CommitOutcomeUnknown, match="could not be found out"):
        replace_window(load_of(catalog, TARGET, stream(rows(day(0), 130)), day(0), PROVENANCE, commit_timeout=BRIEFLY))
    assert load_table(TARGET.identifier).scan().count() == 130
    assert len(parquet(lake_folder) - before) == 1


def test_a_catalog_that_is_away_for_a_moment_is_waited_for(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    replace(catalog, day(0), rows(day(0), 100))
    load_table, failing = catalog.load_table, [None, ConnectionError("refused"), ConnectionError("refused")]

    def load(identifier: object) -> object:
        if failing and (error := failing.pop(0)):
            raise error
        return load_table(identifier)  # type: ignore[arg-type]

    monkeypatch.setattr(catalog, "load_table", load)
    assert replace(catalog, day(0), rows(day(0), 130)).total_rows == 130
    assert failing == []


def test_a_catalog_that_stays_away_is_reported_and_leaves_no_files(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, lake_folder: Path
) -> None:
    replace(catalog, day(0), rows(day(0), 100))
    before = parquet(lake_folder)

    def leaving(window_rows: Any) -> Any:
        yield from window_rows
        monkeypatch.setattr(catalog, "load_table", _raising(ConnectionError("refused")))

    coming = stream(rows(day(0), 130))
    coming.batches = leaving(coming.batches)
    with pytest.raises(CatalogUnavailable):
        replace_window(load_of(catalog, TARGET, coming, day(0), PROVENANCE, commit_timeout=BRIEFLY))
    assert parquet(lake_folder) == before


def test_a_table_made_anew_meanwhile_is_not_written_to(catalog: Catalog, properties: dict[str, str]) -> None:
    replace(catalog, day(0), rows(day(0), 100))
    other = open_catalog("lake", properties)

    def remade(window_rows: Any) -> Any:
        yield from window_rows
        other.drop_table(TARGET.identifier)
        replace(other, day(1), rows(day(1), 7))

    coming = stream(rows(day(0), 130))
    coming.batches = remade(coming.batches)
    with pytest.raises(CommitConflict, match="recreated"):
        replace_window(load_of(catalog, TARGET, coming, day(0), PROVENANCE))
    assert held(catalog).num_rows == 7


def test_a_lock_that_is_never_released_does_not_stop_a_commit(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace(catalog, day(0), rows(day(0), 100))
    monkeypatch.setattr("influx_lake.iceberg.catalogs.commit_lock.PATIENCE_SECONDS", 0.1)
    with commit_lock(table(catalog).metadata.table_uuid):
        assert replace(catalog, day(0), rows(day(0), 130)).total_rows == 130


def test_only_the_latest_commits_are_recorded(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_log, "KEPT", 3)
    ids = [f"{replace(catalog, day(0), rows(day(0), 10)).snapshot_id:x}" for _ in range(5)]
    assert table(catalog).properties[commit_log.PROPERTY].split(",") == ids[-3:]


@pytest.mark.slow
def test_a_window_done_many_times_does_not_grow_the_manifests(catalog: Catalog) -> None:
    for number in range(3):
        replace(catalog, day(number), rows(day(number), 10))
    counts = []
    for _ in range(20):
        snapshot = replace(catalog, day(1), rows(day(1), 10)).table.current_snapshot()
        assert snapshot is not None
        counts.append(len(snapshot.manifests(_io(catalog))))
    assert max(counts) <= counts[0]


def _io(catalog: Catalog) -> Any:
    return table(catalog).io


def _raising(error: BaseException) -> Any:
    def fail(*_: object) -> None:
        raise error

    return fail
