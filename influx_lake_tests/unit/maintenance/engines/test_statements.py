"""What engines are asked to run: names and texts quoted, ages and sizes as each engine writes them."""

from __future__ import annotations

from dataclasses import replace as changed
from datetime import UTC, datetime, timedelta

import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config.maintenance.engines import AthenaConfig, SparkConfig, TrinoConfig
from influx_lake.config.maintenance.options import (
    CompactOptions,
    ExpireOptions,
    Kind,
    MaintenanceOptions,
    OrphanOptions,
)
from influx_lake.config.tables.sort_order import SortTerm
from influx_lake.config.values.windows import Window
from influx_lake.errors import ConfigurationError
from influx_lake.iceberg.compaction.selection import FileSizes
from influx_lake.maintenance.engines.athena import Athena
from influx_lake.maintenance.engines.engine import Work
from influx_lake.maintenance.engines.spark import Spark
from influx_lake.maintenance.engines.trino import Trino
from influx_lake_tests.unit.iceberg.tables import TARGET, day, replace, rows, table

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
OPTIONS = MaintenanceOptions(
    compact=CompactOptions(min_input_files=3),
    expire_snapshots=ExpireOptions(older_than=timedelta(days=7), keep_last=5),
    remove_orphans=OrphanOptions(older_than=timedelta(days=3)),
)
SPARK = Spark(SparkConfig(remote="sc://spark"), "lake")
TRINO = Trino(TrinoConfig(host="trino"), "lake")
ATHENA = Athena(AthenaConfig())


@pytest.fixture
def work(catalog: Catalog) -> Work:
    replace(catalog, day(0), rows(day(0), 3))
    days = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC))
    return Work(
        Kind.COMPACT, OPTIONS, ("telemetry", "cpu"), table(catalog), FileSizes(1000, 750), NOW, "time", during=days
    )


def test_spark(work: Work) -> None:
    asked = {kind: SPARK.statements(changed(work, kind=kind)) for kind in SPARK.kinds}
    assert asked == {
        Kind.COMPACT: (
            "CALL `lake`.system.rewrite_data_files(table => '`telemetry`.`cpu`', strategy => 'binpack', options => "
            "map('target-file-size-bytes', '1000', 'min-file-size-bytes', '750', 'max-file-size-bytes', '1801', "
            "'min-input-files', '3', 'delete-file-threshold', '1'), where => '`time` >= TIMESTAMP \\'2026-11-01 "
            "00:00:00.000000 UTC\\' and `time` < TIMESTAMP \\'2026-11-03 00:00:00.000000 UTC\\'')",
        ),
        Kind.REWRITE_MANIFESTS: ("CALL `lake`.system.rewrite_manifests(table => '`telemetry`.`cpu`')",),
        Kind.EXPIRE_SNAPSHOTS: (
            "CALL `lake`.system.expire_snapshots(table => '`telemetry`.`cpu`', older_than => TIMESTAMP '2026-11-23 "
            "12:00:00.000000 UTC', retain_last => 5)",
        ),
        Kind.REMOVE_ORPHANS: (
            "CALL `lake`.system.remove_orphan_files(table => '`telemetry`.`cpu`', older_than => TIMESTAMP '2026-11-27 "
            "12:00:00.000000 UTC')",
        ),
    }


def test_trino(work: Work) -> None:
    asked = {kind: TRINO.statements(changed(work, kind=kind)) for kind in TRINO.kinds}
    name = '"lake"."telemetry"."cpu"'
    assert asked == {
        Kind.COMPACT: (
            f"ALTER TABLE {name} EXECUTE optimize(file_size_threshold => '750B') WHERE \"time\" >= TIMESTAMP "
            "'2026-11-01 00:00:00.000000 UTC' AND \"time\" < TIMESTAMP '2026-11-03 00:00:00.000000 UTC'",
        ),
        Kind.REWRITE_MANIFESTS: (f"ALTER TABLE {name} EXECUTE optimize_manifests",),
        Kind.EXPIRE_SNAPSHOTS: (
            "SET SESSION \"lake\".expire_snapshots_min_retention = '604800s'",
            f"ALTER TABLE {name} EXECUTE expire_snapshots(retention_threshold => '604800s')",
        ),
        Kind.REMOVE_ORPHANS: (
            "SET SESSION \"lake\".remove_orphan_files_min_retention = '259200s'",
            f"ALTER TABLE {name} EXECUTE remove_orphan_files(retention_threshold => '259200s')",
        ),
    }


def test_athena(work: Work) -> None:
    asked = {kind: ATHENA.statements(changed(work, kind=kind)) for kind in ATHENA.kinds}
    vacuum = (
        "ALTER TABLE telemetry.cpu SET TBLPROPERTIES ('vacuum_max_snapshot_age_seconds' = '604800', "
        "'vacuum_min_snapshots_to_keep' = '5')",
        "VACUUM telemetry.cpu",
    )
    assert asked == {
        Kind.COMPACT: (
            "ALTER TABLE telemetry.cpu SET TBLPROPERTIES ('write_target_data_file_size_bytes' = '1000', "
            "'optimize_rewrite_min_data_file_size_bytes' = '750', 'optimize_rewrite_data_file_threshold' = '3', "
            "'optimize_rewrite_delete_file_threshold' = '1')",
            'OPTIMIZE telemetry.cpu REWRITE DATA USING BIN_PACK WHERE "time" >= TIMESTAMP \'2026-11-01 '
            "00:00:00.000000 UTC' AND \"time\" < TIMESTAMP '2026-11-03 00:00:00.000000 UTC'",
        ),
        Kind.EXPIRE_SNAPSHOTS: vacuum,
        Kind.REMOVE_ORPHANS: vacuum,
    }


def test_athena_sets_only_options_that_differ(work: Work, catalog: Catalog) -> None:
    with table(catalog).transaction() as transaction:
        transaction.set_properties({"vacuum_max_snapshot_age_seconds": "604800", "vacuum_min_snapshots_to_keep": "5"})
    work = changed(work, kind=Kind.REMOVE_ORPHANS, table=table(catalog))
    assert ATHENA.statements(work) == ("VACUUM telemetry.cpu",)


def test_all_of_a_table_is_requested_where_its_time_is_not_known(work: Work) -> None:
    for engine in (SPARK, TRINO, ATHENA):
        assert "where" not in engine.statements(changed(work, during=None))[-1].lower()


def test_spark_sorts_where_the_table_is_sorted(catalog: Catalog, work: Work) -> None:
    target = changed(TARGET, write=TARGET.write.model_copy(update={"sort_by": (SortTerm("host"),)}))
    replace(catalog, day(0), rows(day(0), 3), target=target)
    [statement] = SPARK.statements(changed(work, table=table(catalog)))
    assert "strategy => 'sort'" in statement


def test_names_are_quoted(work: Work) -> None:
    odd = changed(work, kind=Kind.REWRITE_MANIFESTS, identifier=("a", "b", 'it\'s `x` "y" \\'))
    assert SPARK.statements(odd)[0].endswith("(table => '`a`.`b`.`it\\'s ``x`` \"y\" \\\\`')")
    assert TRINO.statements(odd)[0] == 'ALTER TABLE "lake"."a.b"."it\'s `x` ""y"" \\" EXECUTE optimize_manifests'
    assert Spark(SparkConfig(), "a`b").statements(odd)[0].startswith("CALL `a``b`.system.")


@pytest.mark.parametrize("name", ["Cpu", "cpu load", "cpu;drop", "cpu-load", "1cpu", 'c"pu'])
def test_athena_refuses_names_that_would_have_to_be_quoted(work: Work, name: str) -> None:
    with pytest.raises(ConfigurationError, match="takes names of small"):
        ATHENA.statements(changed(work, identifier=("telemetry", name)))


def test_trino_keeps_as_many_snapshots_as_are_requested(work: Work, catalog: Catalog) -> None:
    name = "history.expire.min-snapshots-to-keep"
    expiry = changed(work, kind=Kind.EXPIRE_SNAPSHOTS)
    assert TRINO.properties(expiry) == {name: "5"}
    assert TRINO.properties(work) == {}
    for stated, wanted in (("4", {name: "5"}), ("6", {}), ("x", {name: "5"})):
        with table(catalog).transaction() as transaction:
            transaction.set_properties({name: stated})
        assert TRINO.properties(changed(expiry, table=table(catalog))) == wanted
