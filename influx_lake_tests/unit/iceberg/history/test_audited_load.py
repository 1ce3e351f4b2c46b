"""Windows that are checked before readers get them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace as changed
from threading import Barrier

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitStateUnknownException

from influx_lake.config import OnTypeConflict, TypeOptions
from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.values.windows import Window
from influx_lake.errors import AuditFailed, BranchOutdated, SourceUnavailable
from influx_lake.iceberg.columns.known_columns import as_known
from influx_lake.iceberg.commit import committer
from influx_lake.iceberg.history.audited_load import audited
from influx_lake.iceberg.history.publishing import publish
from influx_lake.iceberg.history.refs import create_ref
from influx_lake.iceberg.load.quarantine import quarantine_of
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.replication.loading import restart_on_interruption
from influx_lake_tests.unit.iceberg.interfering import Interfering
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, day, held, replace, rows, stream, table
from testbed.loads import load_of

ASIDE = changed(TARGET, types=TypeOptions(on_type_conflict=OnTypeConflict.QUARANTINE))
QUARANTINE = quarantine_of(ASIDE)
UNFIT = rows(day(0), 10).set_column(3, "count", pa.array([None, None, *(["many"] * 8)]))


def passed(_: Catalog) -> list[str]:
    return []


def failed(_: Catalog) -> list[str]:
    return ["values: 3 rows"]


def load(
    catalog: Catalog,
    window: Window,
    batch: pa.RecordBatch,
    audit: Callable[[Catalog], list[str]] = passed,
    target: TableTarget = TARGET,
    work: Callable[[WindowLoad], WindowResult] = replace_window,
) -> WindowResult:
    prepared = load_of(catalog, target, stream(batch), window, PROVENANCE, audit=audit)
    return audited(prepared, work, quarantine_of(target))


def names(catalog: Catalog, target: TableTarget = TARGET) -> set[str]:
    return set(table(catalog, target).metadata.refs) - {"main"}


def test_readers_get_a_window_once_it_passed(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 70))
    seen: list[tuple[int, int]] = []

    def audit(hidden: Catalog) -> list[str]:
        seen.append((held(hidden).num_rows, held(catalog).num_rows))
        return []

    done = load(catalog, day(0), rows(day(0), 700), audit)
    assert seen == [(700, 70)]
    assert (done.rows, done.previous_rows, done.total_rows) == (700, 70, 700)
    assert done.snapshot_id == table(catalog).metadata.current_snapshot_id
    assert held(catalog).num_rows == 700
    assert names(catalog) == set()


def test_windows_that_did_not_pass_are_kept_one_branch_each(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 70))
    for _ in range(2):
        with pytest.raises(AuditFailed, match="values: 3 rows"):
            load(catalog, day(0), rows(day(0), 700), failed)
    with pytest.raises(AuditFailed):
        load(catalog, day(1), rows(day(1), 7), failed)
    assert len(names(catalog)) == 2
    assert held(catalog).num_rows == 70
    # That of the other window stays, and fits what came meanwhile.
    load(catalog, day(0), rows(day(0), 71))
    [left] = names(catalog)
    publish(catalog, TARGET, left)
    assert held(catalog).num_rows == 78
    assert table_state(table(catalog)).coverage.holds(day(0, 2))


def test_a_check_that_cannot_be_done_leaves_nothing(catalog: Catalog) -> None:
    def away(_: Catalog) -> list[str]:
        raise SourceUnavailable("away")

    replace(catalog, day(0), rows(day(0), 70))
    with pytest.raises(SourceUnavailable):
        load(catalog, day(0), rows(day(0), 700), away)
    assert names(catalog) == set()
    assert held(catalog).num_rows == 70


def test_rows_for_the_quarantine_wait_with_the_others(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 5), target=ASIDE)
    with pytest.raises(AuditFailed):
        load(catalog, day(0), UNFIT, failed, ASIDE)
    assert held(catalog, target=ASIDE).num_rows == 5
    assert table(catalog, QUARANTINE).current_snapshot() is None
    assert names(catalog, QUARANTINE) == names(catalog)
    done = load(catalog, day(0), UNFIT, target=ASIDE)
    assert done.quarantined_rows == 8
    assert held(catalog, target=QUARANTINE).num_rows == 8
    assert held(catalog, target=ASIDE).num_rows == 2
    assert names(catalog, QUARANTINE) == names(catalog) == set()


def test_windows_that_are_loaded_at_once_do_not_wait_for_one_another(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 70))
    together = Barrier(4)

    def audit(_: Catalog) -> list[str]:
        # All of them are on their branches before the first is published.
        together.wait(60)
        return []

    with ThreadPoolExecutor(4) as threads:
        done = list(
            threads.map(lambda number: load(catalog, day(number), rows(day(number), number), audit), range(1, 5))
        )
    assert [each.rows for each in done] == [1, 2, 3, 4]
    assert held(catalog).num_rows == 80
    assert table_state(table(catalog)).coverage.holds(day(0, 5))
    assert names(catalog) == set()


def test_one_window_that_is_loaded_twice_at_once_is_begun_again(catalog: Catalog) -> None:
    by_point = changed(TARGET, key=("host", "count"))
    replace(catalog, day(0), rows(day(0), 70), target=by_point)
    other = iter([1])

    def audit(_: Catalog) -> list[str]:
        if next(other, None):
            upsert_window(load_of(catalog, by_point, stream(rows(day(0), 35, value=0.5)), day(0), PROVENANCE))
        return []

    prepared = load_of(catalog, by_point, stream(rows(day(0), 7, value=0.25)), day(0), PROVENANCE, audit=audit)
    tried: list[int] = []

    def work(load: WindowLoad) -> WindowResult:
        tried.append(1)
        return audited(load, upsert_window, quarantine_of(by_point))

    restart_on_interruption(prepared, work)

    assert len(tried) == 2
    values = held(catalog)["value"].to_pylist()
    assert sum(value % 1 == 0.5 for value in values) > 0
    assert sum(value % 1 == 0.25 for value in values) == 7
    assert names(catalog) == set()


def test_a_table_that_was_rolled_back_meanwhile_does_not_get_back_what_went(catalog: Catalog) -> None:
    from influx_lake.iceberg.history.rollback import roll_back, snapshot_at

    first = replace(catalog, day(0), rows(day(0), 70)).snapshot_id
    load(catalog, day(1), rows(day(1), 7))
    newest = table(catalog).metadata.current_snapshot_id

    def audit(_: Catalog) -> list[str]:
        roll_back(catalog, TARGET.identifier, snapshot_at(table(catalog), first), newest)
        return []

    with pytest.raises(BranchOutdated):
        load(catalog, day(2), rows(day(2), 8), audit)
    assert held(catalog).num_rows == 70
    load(catalog, day(2), rows(day(2), 8))
    assert held(catalog).num_rows == 78
    assert not table_state(table(catalog)).coverage.holds(day(1))


@pytest.mark.parametrize("number", [0, 1])
def test_a_catalog_that_does_not_say_whether_it_committed(
    catalog: Catalog, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "SETTLING_SECONDS", 0.1)
    replace(catalog, day(0), rows(day(0), 70))
    interfering = Interfering(catalog)
    interfering.after = [*([None] * number), CommitStateUnknownException("no answer")]
    load(catalog, day(0), rows(day(0), 700))
    assert held(catalog).num_rows == 700
    assert names(catalog) == set()


def test_measurements_of_one_table_wait_apart(catalog: Catalog) -> None:
    cpu, mem = (changed(TARGET, share=Share("measurement", name)) for name in ("cpu", "mem"))

    def of(name: str, count: int) -> pa.RecordBatch:
        return rows(day(0), count).append_column("measurement", pa.array([name] * count))

    load(catalog, day(0), of("cpu", 70), target=cpu)
    load(catalog, day(0), of("mem", 7), target=mem)
    with pytest.raises(AuditFailed):
        load(catalog, day(0), of("cpu", 71), failed, cpu)
    [waiting] = names(catalog)
    load(catalog, day(0), of("mem", 8), target=mem)
    assert names(catalog) == {waiting}
    publish(catalog, cpu, waiting)
    assert held(catalog)["measurement"].to_pylist().count("cpu") == 71
    assert held(catalog).num_rows == 79
    for share in (cpu.share, mem.share):
        assert table_state(as_known(table(catalog), share=share)).coverage.holds(day(0))


def test_tags_and_branches_of_ours_cost_no_look_at_files(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:

    replace(catalog, day(0), rows(day(0), 70))
    create_ref(catalog, TARGET.identifier, "kept", tag=True)
    with pytest.raises(AuditFailed):
        load(catalog, day(1), rows(day(1), 7), failed)
    monkeypatch.setattr("influx_lake.iceberg.table_state.current_state._followed", None)
    assert table_state(table(catalog)).coverage.holds(day(0))
