"""Runs Dagster's webserver and daemon for `influx-lake ui`, and reports to Dagster what was loaded without it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from filelock import FileLock, Timeout

from influx_lake.cli.dg_project import code_location
from influx_lake.config import Lake
from influx_lake.errors import ConfigurationError, LakeError, StorageError
from influx_lake.private_folders import make_private, replace_private_file

if TYPE_CHECKING:
    from dagster import DagsterInstance

HOST = "127.0.0.1"
_POLL_SECONDS = 0.25
_STOP_SECONDS = 90
_CHECKING_SECONDS = 30
"""How long the UI's start waits for checks of what was loaded without Dagster, in seconds."""
_OPENING_SECONDS = 60
_LOCK = ".influx-lake-opening.lock"
# `dagster dev` is all that is needed, and its successor `dg dev` wants a project of its own.
_SILENCED = ("Function `dev_command` is superseded", "Function `load_definitions_from_module")


@dataclass(frozen=True, slots=True)
class Reported:
    """What was loaded without Dagster and then reported to it.

    Attributes:
        windows: The number of windows.
        checks: The number of check results.
        failures: Why other checks could not run.
    """

    windows: int
    checks: int
    failures: list[LakeError]


class DagsterDev:
    """`dagster dev` for a lake, as a child process for the duration of a context.

    Args:
        lake: The lake.
        port: The webserver's port; 0 takes a free one.

    Raises:
        ConfigurationError: The port is taken.
        StorageError: Dagster's folder cannot be made.
    """

    def __init__(self, lake: Lake, port: int) -> None:
        self._lake = lake
        self._port = _free_port(port)
        self.home = _dagster_home(lake.root)
        self._environment = {
            **os.environ,
            "DAGSTER_HOME": str(self.home),
            "INFLUX_LAKE_CONFIG": str(lake.path),
            # Otherwise each event is a transaction of its own, and a window's events take longer than its load.
            "DAGSTER_EVENT_BATCH_SIZE": os.environ.get("DAGSTER_EVENT_BATCH_SIZE", "50"),
            "INFLUX_LAKE_WEBSERVER": self.url,
            "PYTHONWARNINGS": ",".join(
                filter(None, (os.environ.get("PYTHONWARNINGS"), *(f"ignore:{text}" for text in _SILENCED)))
            ),
        }

    @property
    def url(self) -> str:
        """The UI's URL."""
        return f"http://{HOST}:{self._port}"

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def __enter__(self) -> Self:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # A shell's background jobs ignore SIGINT, and Dagster's processes, which only end by it, would inherit
            # that.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        command = [sys.executable, "-m", "dagster", "dev", *code_location(self._lake.root)]
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, "--host", HOST, "--port", str(self._port)],
            env=self._environment,
            # In another folder Dagster would warn about a dagster.yaml beside the lake.yaml.
            cwd=self.home,
            stdout=sys.stderr,
            # A session of its own: Ctrl-C reaches it only through us, once.
            start_new_session=True,
        )
        return self

    def wait_until_ready(self) -> bool:
        """Wait until the UI answers; False where Dagster ended first."""
        import requests

        session = requests.Session()
        session.trust_env = False  # this machine is not behind a proxy
        while self._process.poll() is None:
            try:
                if session.get(f"{self.url}/server_info", timeout=5).ok:
                    return True
            except requests.RequestException:
                pass
            time.sleep(_POLL_SECONDS)
        return False

    def wait(self) -> int:
        """Wait until Dagster ends by itself, which is a failure: returns 1."""
        # With a timeout: a signal that arrives just before an endless wait would only be handled after it.
        while self._process.poll() is None:
            time.sleep(_POLL_SECONDS)
        return 1

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_STOP_SECONDS)
        finally:
            _kill_session(self._process.pid)


def report_loaded(lake: Lake) -> Reported:
    """Report to Dagster the loaded windows that it does not know as materialisations, with check results.

    Args:
        lake: The lake, whose measurements and roll-ups have the keys of their assets.

    Raises:
        CatalogError: The tables cannot be read.
    """
    from influx_lake.iceberg.catalogs.opening import open_catalog
    from influx_lake.orchestration.automation.external_loads import report_loaded_windows
    from influx_lake.orchestration.automation.first_checks import report_first_checks
    from influx_lake.sources import open_source

    catalog = open_catalog(lake.catalog.name, lake.catalog.properties(), lake.catalog.lock_timeout)
    end = time.monotonic() + _CHECKING_SECONDS
    with dagster_instance(lake) as instance:
        windows = report_loaded_windows(instance, lake, catalog)
        checks, failures = report_first_checks(
            instance,
            lake,
            catalog,
            lambda name: open_source(lake.source(name)),
            until=lambda: time.monotonic() > end,
        )
    return Reported(windows, checks, failures)


def dagster_instance(lake: Lake) -> DagsterInstance:
    """The Dagster instance of a lake: that of $DAGSTER_HOME, or of the folder below the lake.

    Commands that are started at the same time open it one after the other: if two create Dagster's SQLite databases at
    once, each stamps the schema's version, and a database with two stamps cannot be opened any more.

    Raises:
        StorageError: The folder cannot be made.
    """
    from dagster import DagsterInstance

    home = _dagster_home(lake.root)
    with _instance_lock(home), _as_dagster_home(home):
        instance = DagsterInstance.from_config(str(home))
        # This creates the databases now, where the instance would do it later.
        for storage in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
            if storage is not None:
                storage.alembic_version()
        return instance


def _kill_session(pid: int) -> None:
    """Kill the remaining processes of the child's session."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _dagster_home(root: Path) -> Path:
    """Dagster's folder: $DAGSTER_HOME, or one below the lake's folder, with the dagster.yaml beside the lake.yaml."""
    if given := os.environ.get("DAGSTER_HOME"):
        return Path(given).expanduser().absolute()
    home, own = root / ".lake" / "dagster", root / "dagster.yaml"
    settings = home / "dagster.yaml"
    try:
        make_private(home)
        if own.is_file() or not settings.exists():
            chosen = own if own.is_file() else files(__package__) / "dagster.yaml"
            # Another command may open the instance at this moment.
            replace_private_file(settings, chosen.read_bytes())
    except OSError as error:
        raise StorageError(f"Dagster's folder {home} cannot be made: {error.strerror or error}") from None
    return home


@contextmanager
def _as_dagster_home(home: Path) -> Iterator[None]:
    """Let the storage that dagster.yaml names find its folder, as in Dagster's own processes."""
    before = os.environ.get("DAGSTER_HOME")
    os.environ["DAGSTER_HOME"] = str(home)
    try:
        yield
    finally:
        if before is None:
            del os.environ["DAGSTER_HOME"]
        else:
            os.environ["DAGSTER_HOME"] = before


@contextmanager
def _instance_lock(home: Path) -> Iterator[None]:
    """Lock the folder against other commands of ours that open the instance."""
    if not os.access(home, os.W_OK):
        # A folder without write access: no databases are created there either.
        yield
        return
    try:
        with FileLock(home / _LOCK, timeout=_OPENING_SECONDS):
            yield
    except Timeout:
        raise StorageError(
            f"Dagster's instance in {home} was being opened by another command for {_OPENING_SECONDS} s",
            remedy="Look what uses it, and try again",
        ) from None


def _free_port(port: int) -> int:
    try:
        with socket.create_server((HOST, port)) as taken:
            return int(taken.getsockname()[1])
    except OSError as error:
        raise ConfigurationError(
            f"the UI cannot listen on {HOST}:{port}: {error.strerror or error}",
            remedy="Give another --port (0 takes a free one), or stop what uses this one",
        ) from None
