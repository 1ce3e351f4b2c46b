"""Catalogs that take a connection and never answer, or a byte at a time: told in time, with whom and which setting."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from influx_lake.config import CatalogConfig
from influx_lake.errors import CatalogUnavailable, ConfigurationError, StorageError, StorageUnavailable
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.failures.commit_outcome import Outcome, outcome_of
from influx_lake.iceberg.failures.translation import catalog_errors, translate
from influx_lake.iceberg.timeouts.call_timeout import AnswerTimeout, answer_within
from influx_lake_tests.unit.iceberg.failures.test_blame import LOCKING

SILENT = """
import socket, sys, threading, time
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
taken = []
def drip(connection):
    try:
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nX: ")
        while sys.argv[1] == "drip":
            connection.sendall(b"x")
            time.sleep(0.1)
    except OSError:
        pass
while True:
    connection, _ = listening.accept()
    taken.append(connection)
    if sys.argv[1] == "drip":
        threading.Thread(target=drip, args=(connection,), daemon=True).start()
"""
TIMEOUT = 0.4


@contextmanager
def silent(kind: str = "nothing") -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-c", SILENT, kind], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.kill()


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with silent() as address:
        yield address


REST = {"a configuration": {}, "a token": {"credential": "id:secret"}, "signed": {"rest.sigv4-enabled": "true"}}


@pytest.mark.parametrize("case", REST)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_rest_catalog_that_never_answers(scheme: str, case: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "a")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    properties = {"type": "rest", "uri": f"{scheme}://{host}", "timeout": "400ms", **REST[case]}
    with pytest.raises(CatalogUnavailable, match="the catalog did not answer in time") as raised:
        open_catalog("lake", properties)
    assert f"{host} did not answer within 0.4s" in str(raised.value)
    assert "`timeout`" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_an_answer_that_comes_byte_by_byte_is_not_waited_for() -> None:
    with silent("drip") as host, pytest.raises(CatalogUnavailable, match=f"{host} did not answer within 0.4s"):
        open_catalog("lake", {"uri": f"http://{host}", "timeout": "400ms"})


def test_a_token_of_another_server_is_not_waited_for(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Properties in others are for pyiceberg's own file.
    access = {"client_id": "a", "client_secret": "b", "token_url": f"http://{host}"}
    own = {"catalog": {"slow": {"auth": {"type": "oauth2", "oauth2": access}}}}
    (tmp_path / ".pyiceberg.yaml").write_text(yaml.safe_dump(own))
    monkeypatch.setenv("PYICEBERG_HOME", str(tmp_path))
    with pytest.raises(CatalogUnavailable, match="access tokens did not answer within"):
        open_catalog("slow", {"uri": "http://127.0.0.1:1", "timeout": "400ms"})


def test_a_hive_metastore_that_never_answers(host: str) -> None:
    catalog = open_catalog("lake", {"uri": f"thrift://{host}", "timeout": "400ms"})
    with (
        pytest.raises(CatalogUnavailable, match=rf"did not answer in time .*{host} did not answer within 0.4s"),
        catalog_errors("look"),
    ):
        catalog.namespace_exists(("telemetry",))


def test_a_hive_metastore_that_does_not_exist() -> None:
    catalog = open_catalog("lake", {"uri": "thrift://127.0.0.1:1"})
    with (
        pytest.raises(CatalogUnavailable, match=r"cannot be reached .*127\.0\.0\.1.*Check that the catalog runs"),
        catalog_errors("look"),
    ):
        catalog.namespace_exists(("telemetry",))


@pytest.mark.parametrize("tries", [{}, {"glue.max-retries": "1"}])
def test_aws_is_given_numbers_and_limits(tries: dict[str, str], host: str) -> None:
    keys = {"glue.access-key-id": "a", "glue.secret-access-key": "b", "glue.region": "us-east-1"}
    properties = {"type": "glue", "glue.endpoint": f"http://{host}", "timeout": "400ms", **keys, **tries}
    settings = open_catalog("lake", properties).glue.meta.config  # type: ignore[attr-defined]
    assert (settings.connect_timeout, settings.read_timeout) == (0.4, 0.4)
    assert settings.retries["total_max_attempts"] == int(tries.get("glue.max-retries", 3)) + 1


def test_the_timeout_limits_what_google_storage_tries() -> None:
    properties = {"type": "in-memory", "warehouse": "gcs://bucket/lake", "timeout": "7s"}
    files = open_catalog("lake", properties)._load_file_io(location="gs://bucket/lake")
    _, (options,) = files.fs_by_scheme("gs", "bucket").__reduce__()  # type: ignore[attr-defined]
    assert options["retry_time_limit"] == timedelta(seconds=7)


@pytest.mark.slow
def test_google_storage_without_credentials_is_reported_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What stands for the metadata server of Google's machines is away.
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:1")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    properties = {"type": "in-memory", "warehouse": "gcs://bucket/lake", "timeout": "100ms"}
    catalog = open_catalog("lake", properties)
    with (
        pytest.raises(StorageError, match="no credentials for Google Cloud Storage") as raised,
        catalog_errors("write a file"),
    ):
        catalog._load_file_io(location="gs://bucket/lake").new_input("gs://bucket/lake/x").exists()
    assert "GOOGLE_APPLICATION_CREDENTIALS" in str(raised.value)
    assert not raised.value.transient


def test_fsspecs_errors_are_the_stores() -> None:
    import aiohttp
    from google.auth.exceptions import DefaultCredentialsError

    away, nobody = translate(aiohttp.ServerDisconnectedError(), "read"), translate(DefaultCredentialsError("x"), "read")
    assert isinstance(away, StorageUnavailable)
    assert isinstance(nobody, StorageError)
    assert "GOOGLE_APPLICATION_CREDENTIALS" in str(nobody)


def test_what_became_of_a_commit_without_an_answer_is_unknown() -> None:
    with pytest.raises(AnswerTimeout) as raised:
        answer_within(0.01, "host", lambda: socket.create_server(("127.0.0.1", 0)).accept())
    assert outcome_of(raised.value) is Outcome.UNKNOWN
    with pytest.raises(ZeroDivisionError):
        answer_within(1, "host", lambda: 1 // 0)


def test_a_locked_catalog_is_reported_when_it_is_opened_within_the_time_for_commits(tmp_path: Path) -> None:
    properties = {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": str(tmp_path)}
    open_catalog("lake", properties)
    command = [sys.executable, "-c", LOCKING, str(tmp_path / "c.db"), "exclusive"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        began = time.monotonic()
        with pytest.raises(CatalogUnavailable, match="holds the lock of the catalog's database"):
            open_catalog("lake", properties, timedelta(milliseconds=300))
        # Ten seconds where nobody says how long.
        assert time.monotonic() - began < 9
        other.communicate("")


@pytest.mark.parametrize("text", ["soon", "0s", "5"])
def test_a_timeout_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="`timeout` of the catalog"):
        open_catalog(
            "lake", CatalogConfig.of({"type": "rest", "uri": "http://127.0.0.1:1", "timeout": text}).properties()
        )
