"""What holds for every test."""

from __future__ import annotations

import gc
import signal
import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from influx_lake.config.redaction.redactor import forget
from testbed.local_catalog import local_catalog, local_properties

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

# No deadline: how long an example takes says more about what else the machine does. The examples are the same every
# time, so that a failure is the change's; `--hypothesis-profile explore` takes new ones: it finds what these do not.
settings.register_profile("influx_lake", deadline=None, derandomize=True, max_examples=25)
settings.register_profile("explore", deadline=None, derandomize=False)
settings.load_profile("influx_lake")

# A job in the background ignores Ctrl-C, and so would the commands that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What is there before the first test stays: to look through it for garbage takes half a second each time."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are no part of a test's name: what gzip packs holds the second, and processes must agree on the names."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture
def lake_folder(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def properties(lake_folder: Path) -> dict[str, str]:
    """Those of `catalog`."""
    return local_properties(lake_folder)


@pytest.fixture
def catalog(lake_folder: Path) -> Catalog:
    """The test's own catalog, with its warehouse, in `lake_folder`."""
    return local_catalog(lake_folder)


@pytest.fixture(scope="session", autouse=True)
def _databases_are_made_quickly() -> None:
    """Dagster reads a hundred files for each database that it makes; SQLite waits for the disk with each commit."""
    from alembic.script import ScriptDirectory
    from sqlalchemy import Engine, event

    ScriptDirectory.from_config = cache(ScriptDirectory.from_config)  # type: ignore[method-assign]

    @event.listens_for(Engine, "connect")
    def unsynchronised(connection: object, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests() -> Iterator[None]:
    """What a test's secret is hides nothing from the next one."""
    yield
    forget()
