"""Servers of Apache Iceberg and Hive, each one Java source file that runs on the jars of the engines."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_SOURCES = Path(__file__).parent / "java"
_SQLITE_DRIVER = Path("/usr/share/java/sqlite-jdbc.jar")
_STOPPING_SECONDS = 20


@contextmanager
def apache_rest_catalog(folder: Path, scheme: str = "") -> Iterator[str]:
    """Iceberg's own REST catalog over its JDBC catalog, with SQLite and files in a folder; yields its address.

    Args:
        folder: The folder.
        scheme: What the addresses of tables begin with; `file://` is what every engine knows.
    """
    arguments = [
        f"uri=jdbc:sqlite:{folder}/apache.db?busy_timeout=60000",
        f"warehouse={scheme}{folder}/apache",
        "jdbc.schema-version=V1",
    ]
    with _served("IcebergRestServer", [iceberg_jar(), *spark_jars(), sqlite_driver()], arguments, folder) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def hive_metastore(folder: Path, lock_seconds: int = 300) -> Iterator[str]:
    """A Hive Metastore with Derby and the warehouse in a folder; yields its address.

    Args:
        folder: The folder.
        lock_seconds: How long a lock is kept whose owner says nothing; 300 is Hive's default.
    """
    arguments = [str(folder / "derby"), str(folder / "hive"), str(lock_seconds)]
    with _served("HiveMetastoreServer", spark_jars(), arguments, folder) as port:
        yield f"thrift://127.0.0.1:{port}"


def iceberg_jar() -> Path:
    """Iceberg's runtime for Spark; skips the test where it is not installed."""
    iceberg = pytest.importorskip("snowpark_connect_deps_iceberg", reason="Iceberg for Spark is not installed")
    (runtime,) = (Path(iceberg.__file__).parent / "jars").glob("iceberg-spark-runtime-3.5_2.12-*.jar")
    return runtime


def spark_jars() -> list[Path]:
    """What is inside pyspark: Hadoop, Hive and their libraries; skips the test where it is not installed."""
    spark = pytest.importorskip("pyspark", reason="Spark is not installed: make engines")
    if shutil.which("java") is None:
        pytest.skip("Java is not installed")
    return [Path(spark.__file__).parent / "jars" / "*"]


def sqlite_driver() -> Path:
    """SQLite's driver for Java; skips the test where it is not installed."""
    spark_jars()
    if not _SQLITE_DRIVER.exists():
        pytest.skip("SQLite's JDBC driver is not installed (Debian: libxerial-sqlite-jdbc-java)")
    return _SQLITE_DRIVER


@contextmanager
def _served(name: str, jars: list[Path], arguments: list[str], folder: Path) -> Iterator[int]:
    """Compile and run a server, which prints its port once it listens and ends with its standard input."""
    if shutil.which("javac") is None:
        pytest.skip("a Java compiler is not installed (Debian: openjdk-17-jdk-headless)")
    log = folder / f"{name}.log"
    command = [
        "java",
        "-Xmx512m",
        # Else small answers wait 40 ms for more.
        "-Dsun.net.httpserver.nodelay=true",
        f"-Dderby.stream.error.file={folder}/derby.log",
        "-cp",
        ":".join(map(str, jars)),
        str(_SOURCES / f"{name}.java"),
        *arguments,
    ]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = process.stdout.readline()
            assert port, f"{name} did not start:\n{log.read_text()[-5000:]}"
            yield int(port)
        finally:
            process.stdin.close()
            try:
                process.wait(_STOPPING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
