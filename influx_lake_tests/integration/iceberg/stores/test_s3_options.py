"""What S3 is asked for: encryption, session tokens, path style; and tables that others made with Hadoop's `s3a://`."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from dataclasses import replace as changed
from datetime import timedelta
from pathlib import Path
from threading import Event

import boto3
import pyarrow as pa
import pytest

from influx_lake.config.maintenance.options import ExpireOptions, OrphanOptions
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.maintenance.expire_snapshots import expire_snapshots
from influx_lake.iceberg.maintenance.remove_orphans import remove_orphans
from influx_lake.iceberg.storage.listing import files_below
from influx_lake.iceberg.writer.writer import write_files
from influx_lake_tests.integration.iceberg.lost_answers import LosingProxy
from influx_lake_tests.unit.iceberg.maintenance.tasks import DAY, needed, task
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, SCHEMA, TARGET, day, held, replace, rows, stream, table
from testbed.aws import empty_aws
from testbed.loads import load_of

pytestmark = pytest.mark.slow

KEY = "arn:aws:kms:us-east-1:111122223333:key/lake"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with empty_aws() as url:
        found = int(url.rpartition(":")[2])
        client(found).create_bucket(Bucket="lake")
        yield found


def client(port: int):  # type: ignore[no-untyped-def]
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **keys)


def properties(folder: Path, port: int, **more: str) -> dict[str, str]:
    return {
        "type": "sql",
        "uri": f"sqlite:///{folder}/catalog.db",
        "warehouse": f"s3://lake/{folder.name}",
        "s3.endpoint": f"http://127.0.0.1:{port}",
        "s3.access-key-id": "a",
        "s3.secret-access-key": "b",
        "s3.region": "us-east-1",
        **more,
    }


@pytest.mark.parametrize(
    ("asked", "encryption"),
    [
        ({}, (None, None)),
        ({"s3.server-side-encryption": "AES256"}, ("AES256", None)),
        ({"s3.server-side-encryption": "aws:kms", "s3.sse-kms-key-id": KEY}, ("aws:kms", KEY)),
    ],
)
def test_every_file_is_encrypted_as_is_asked(
    asked: dict[str, str], encryption: tuple[str | None, str | None], port: int, tmp_path: Path
) -> None:
    """Without being asked, the store does as its bucket says; this one encrypts nothing by itself."""
    catalog = open_catalog("lake", properties(tmp_path, port, **asked))
    for number in (0, 1, 1):
        replace(catalog, day(number), rows(day(number), 70))
    write_files(table(catalog), TARGET, [rows(day(5), 7)], SCHEMA)
    store = client(port)
    names = [each["Key"] for each in store.list_objects_v2(Bucket="lake", Prefix=f"{tmp_path.name}/")["Contents"]]
    assert len(names) > 10
    answers = [store.head_object(Bucket="lake", Key=name) for name in names]
    assert {(each.get("ServerSideEncryption"), each.get("SSEKMSKeyId")) for each in answers} == {encryption}

    expire_snapshots(task(catalog), ExpireOptions(older_than=timedelta(0), keep_last=1))
    assert remove_orphans(task(catalog, ahead=4 * DAY), OrphanOptions()).done["files_removed"] == 1
    assert held(catalog).num_rows == 140


@dataclass
class Recorder(LosingProxy):
    """A way to a server that keeps what it was asked."""

    asked: bytearray = field(default_factory=bytearray)

    def _pass_requests(self, client: socket.socket, server: socket.socket, marked: Event) -> None:
        with suppress(OSError):
            while request := client.recv(65_536):
                self.asked += request
                server.sendall(request)
            server.shutdown(socket.SHUT_WR)


def test_a_session_token_goes_with_each_request_in_path_style(port: int, tmp_path: Path) -> None:
    recorder = Recorder(("127.0.0.1", port), b"")
    try:
        catalog = open_catalog("lake", properties(tmp_path, recorder.port, **{"s3.session-token": "of-the-session"}))
        replace(catalog, day(0), rows(day(0), 70))
        assert held(catalog).num_rows == 70
    finally:
        recorder.close()
    asked = bytes(recorder.asked).lower()
    requests = sum(asked.count(f"{verb} /".encode()) for verb in ("put", "get", "head", "post", "delete"))
    assert requests > 5
    assert asked.count(b"x-amz-security-token: of-the-session") >= requests
    assert asked.count(b" /lake/") + asked.count(b" /lake?") == requests
    assert f"host: 127.0.0.1:{recorder.port}".encode() in asked


@pytest.mark.parametrize("scheme", ["s3a", "s3n"])
def test_a_table_that_others_made_by_hadoops_names(scheme: str, port: int, tmp_path: Path) -> None:
    """It is loaded and maintained where it lies, also with files that are spelled in the other way."""
    catalog = open_catalog("lake", properties(tmp_path, port))
    place = f"{scheme}://lake/{tmp_path.name}/theirs/cpu"
    catalog.create_namespace("telemetry")
    theirs = pa.Table.from_batches([rows(day(3), 30)])
    theirs = theirs.set_column(0, "time", theirs["time"].cast(pa.timestamp("us", "UTC")))
    catalog.create_table(TARGET.identifier, theirs.schema, location=place).append(theirs)
    ours = changed(PROVENANCE, adopt=True)

    for number in (0, 1, 1):
        replace_window(load_of(catalog, TARGET, stream(rows(day(number), 70)), day(number), ours))

    assert held(catalog).num_rows == 170
    files = [each.file.file_path for each in table(catalog).scan().plan_files()]
    assert all(path.startswith(f"{place}/") for path in files)
    assert table(catalog).metadata_location.startswith(f"{place}/")
    # A table's folder may be said in the one way, and its files in the other.
    moved = place.replace(f"{scheme}://", "s3://")
    with table(catalog).transaction() as transaction:
        transaction.set_properties({"write.data.path": f"{moved}/data"})
    replace(catalog, day(2), rows(day(2), 70))
    left = write_files(table(catalog), TARGET, [rows(day(5), 7)], SCHEMA)
    expire_snapshots(task(catalog), ExpireOptions(older_than=timedelta(0), keep_last=1))
    assert remove_orphans(task(catalog, ahead=4 * DAY), OrphanOptions()).done["files_removed"] == len(left)
    names = {path.rpartition("/")[2] for path in needed(table(catalog))}
    stored = {file.path.rpartition("/")[2] for file in files_below(table(catalog).io, place)}
    assert names <= stored
    assert held(catalog).num_rows == 240
