"""Each catalog with each store: processes load a table at once, answers get lost, one is killed; the table is exact."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pytest

from influx_lake.frames.duckdb_scan import relation
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.table_state import table_state
from influx_lake.sql.table_scan import TableScan
from influx_lake_tests.integration.iceberg.catalogs.java_server import apache_rest_catalog, hive_metastore
from influx_lake_tests.integration.iceberg.catalogs.nessie import nessie
from influx_lake_tests.integration.iceberg.catalogs.postgres import postgres
from influx_lake_tests.integration.iceberg.catalogs.rest_catalog import rest_catalog
from influx_lake_tests.integration.iceberg.evolving_worker import rows_of
from influx_lake_tests.integration.iceberg.lost_answers import LosingProxy, losing_proxy
from influx_lake_tests.integration.iceberg.stores.stores import STORES
from influx_lake_tests.unit.iceberg.tables import day, table
from testbed.aws import empty_aws

Properties = dict[str, str]
TIMEOUT_SECONDS = 600
LOST_ANSWERS = 3


@dataclass(frozen=True)
class Served:
    """A catalog that runs.

    Attributes:
        properties: pyiceberg's, with the store's.
        commit: What a request holds that commits; empty where there is no connection on which an answer could be lost.
    """

    properties: Properties
    commit: bytes = b""


def _sqlite(stack: ExitStack, folder: Path, store: Properties) -> Served:
    return Served({"type": "sql", "uri": f"sqlite:///{folder}/c.db", **store})


def _postgres(stack: ExitStack, folder: Path, store: Properties) -> Served:
    return Served({"type": "sql", "uri": stack.enter_context(postgres()), **store}, b"COMMIT")


def _rest(stack: ExitStack, folder: Path, store: Properties) -> Served:
    behind = {"type": "sql", "uri": f"sqlite:///{folder}/c.db", **store}
    uri = stack.enter_context(rest_catalog(behind))
    files = {name: value for name, value in store.items() if name != "warehouse"}
    return Served({"type": "rest", "uri": uri, **files}, b"POST /v1/namespaces/telemetry/tables/cpu")


def _apache(stack: ExitStack, folder: Path, store: Properties) -> Served:
    uri = stack.enter_context(apache_rest_catalog(folder))
    return Served({"type": "rest", "uri": uri}, b"POST /v1/namespaces/telemetry/tables/cpu")


def _nessie(stack: ExitStack, folder: Path, store: Properties) -> Served:
    return Served(
        stack.enter_context(nessie(folder, store)), b"POST /iceberg/v1/main%7Clake/namespaces/telemetry/tables/cpu "
    )


def _hive(stack: ExitStack, folder: Path, store: Properties) -> Served:
    # A commit whose answer is lost leaves Hive's lock behind.
    uri = stack.enter_context(hive_metastore(folder, lock_seconds=5))
    return Served({"type": "hive", "uri": uri, "hive.hive2-compatible": "true"}, b"alter_table")


def _glue(stack: ExitStack, folder: Path, store: Properties) -> Served:
    url = stack.enter_context(empty_aws())
    keys = {"glue.access-key-id": "test", "glue.secret-access-key": "test", "glue.region": "us-east-1"}
    return Served({"type": "glue", "glue.endpoint": url, **keys, **store}, b"AWSGlue.UpdateTable")


@contextmanager
def _local(folder: Path) -> Iterator[Properties]:
    yield {"warehouse": f"file://{folder}/warehouse"}


CATALOGS: dict[str, tuple[Callable[[ExitStack, Path, Properties], Served], tuple[str, ...]]] = {
    "sqlite": (_sqlite, ("local", *STORES)),
    "postgres": (_postgres, ("local", *STORES)),
    "rest": (_rest, ("local", *STORES)),
    # The jars that these run on know local files alone.
    "apache": (_apache, ("local",)),
    "hive": (_hive, ("local",)),
    "nessie": (_nessie, ("s3",)),
    "glue": (_glue, ("local", "s3")),
}
PAIRS = [(catalog, store) for catalog, (_, stores) in CATALOGS.items() for store in stores]
QUICK = [("postgres", "adls"), ("rest", "gcs"), ("glue", "s3"), ("nessie", "s3")]


@pytest.mark.servers
@pytest.mark.slow
@pytest.mark.parametrize("pair", QUICK, ids="-".join)
def test_a_pair(pair: tuple[str, str], tmp_path: Path) -> None:
    check(pair, tmp_path, windows=24, processes=2)


@pytest.mark.servers
@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_a_pair_with_two_hundred_windows(pair: tuple[str, str], tmp_path: Path) -> None:
    check(pair, tmp_path, windows=200, processes=4)


def check(pair: tuple[str, str], folder: Path, windows: int, processes: int) -> None:
    serve, _ = CATALOGS[pair[0]]
    with ExitStack() as stack:
        store = stack.enter_context({"local": _local, **STORES}[pair[1]](folder))
        served = serve(stack, folder, store)
        properties, proxy = served.properties, None
        if served.commit:
            port = urlsplit(_address(properties)).port or 0
            proxy = stack.enter_context(losing_proxy(port, served.commit))
            properties = {name: value.replace(f":{port}", f":{proxy.port}") for name, value in properties.items()}
        work = [list(range(first, windows, processes)) for first in range(processes)]
        load_together(properties, work, proxy)
        if proxy is not None:
            assert proxy.lost == LOST_ANSWERS
        compare(properties, windows)


def _address(properties: Properties) -> str:
    return properties.get("uri") or properties["glue.endpoint"]


def load_together(properties: Properties, work: list[list[int]], proxy: LosingProxy | None) -> None:
    """Load windows from several processes at once. The first is killed on the way, and what it had to do done again."""
    with ExitStack() as stack:
        first, *others = [_started(stack, properties, numbers) for numbers in work]
        for process in (first, *others):
            _await_window(process)
        if proxy is not None:
            proxy.losing = LOST_ANSWERS
        for _ in range(len(work[0]) // 3):
            _await_window(first)
        first.kill()
        again = _started(stack, properties, work[0])
        for process in (again, *others):
            output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
            assert process.returncode == 0, output[-5000:]


def _await_window(process: subprocess.Popen[str]) -> None:
    """Wait until a process has loaded one more; it may have warnings to tell before."""
    assert process.stdout is not None
    told = []
    while line := process.stdout.readline():
        if line.strip().isdigit():
            return
        told.append(line)
    raise AssertionError("".join(told))


def _started(stack: ExitStack, properties: Properties, numbers: list[int]) -> subprocess.Popen[str]:
    script, root = Path(__file__).with_name("evolving_worker.py"), Path(__file__).parents[3]
    return stack.enter_context(
        subprocess.Popen(
            [sys.executable, str(script), json.dumps(properties), *map(str, numbers)],
            cwd=root,
            env={"PYTHONPATH": str(root), "PATH": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    )


def compare(properties: Properties, windows: int) -> None:
    """Read the table by two engines: both hold the rows of all windows, and nothing else."""
    import duckdb
    import polars as pl

    found = table(open_catalog("lake", properties))
    assert table_state(found).coverage.holds(day(0, windows))
    names = ["time", "host", "value", "count", "level"]
    order = [("time", "ascending"), ("count", "ascending")]
    expected = pa.concat_tables(
        [pa.Table.from_batches([rows_of(number)]) for number in range(windows)], promote_options="default"
    )
    wanted = expected.select(names).sort_by(order).to_pylist()
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        by_duckdb = relation(found, TableScan.of(found, None), names, (None, None), "time", connection).arrow()
        by_duckdb = by_duckdb.read_all() if isinstance(by_duckdb, pa.RecordBatchReader) else by_duckdb
    by_polars = pl.scan_iceberg(found, reader_override="pyiceberg").select(names).collect().to_arrow()
    for read in (by_duckdb, by_polars):
        assert _without_zone(read.sort_by(order)) == _without_zone_rows(wanted)


def _without_zone(read: pa.Table) -> list[dict[str, object]]:
    return _without_zone_rows(read.to_pylist())


def _without_zone_rows(read: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{**row, "time": str(row["time"]).removesuffix("+00:00")} for row in read]
