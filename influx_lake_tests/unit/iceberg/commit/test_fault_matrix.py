"""Every call to the store and the catalog fails once, in every mode: a plain re-run makes the table right."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from dataclasses import replace as changed
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO
from sqlalchemy.exc import OperationalError

from influx_lake.config import WriteOptions
from influx_lake.config.values.windows import Window
from influx_lake.errors import LakeError
from influx_lake.iceberg.commit import committer as committing
from influx_lake.iceberg.history.audited_load import audited
from influx_lake.iceberg.load.append import append_window
from influx_lake.iceberg.load.quarantine import quarantine_of
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake.iceberg.scan.reader import read_windows
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, TARGET, day, hours, rows, stream, table
from testbed.loads import load_of

SMALL_FILES = changed(TARGET, key=("host", "count"), write=WriteOptions(target_file_size=8_000))
BUDGET = timedelta(seconds=0.4)
MODES = ("replace", "append", "upsert", "audited", "audited, overtaken")
OTHER = day(3000)
CALLS = ((PyArrowFile, "create"), (PyArrowFile, "open"), (PyArrowFileIO, "delete"))
CATALOG_CALLS = ("load_table", "commit_table")


class Killed(BaseException):
    """The process is gone: nothing that runs in it can catch this and go on."""


FAULTS: dict[str, tuple[Callable[[], BaseException], bool]] = {
    "store": (lambda: OSError("injected"), False),
    "connection": (lambda: ConnectionResetError("injected"), False),
    "unknown": (lambda: CommitStateUnknownException("injected"), False),
    "unknown, done": (lambda: CommitStateUnknownException("injected"), True),
    "conflict": (lambda: CommitFailedException("injected"), False),
    "locked": (lambda: OperationalError("UPDATE", {}, Exception("database is locked")), False),
    "killed": (Killed, False),
    "killed, done": (Killed, True),
}


@dataclass
class Faults:
    """Counts the calls to store and catalog, and lets one of them fail."""

    catalog: Catalog
    at: int = -1
    fault: str = "store"
    calls: int = 0
    injected: bool = False
    _undo: list[Callable[[], None]] = field(default_factory=list)

    def __enter__(self) -> Faults:
        for owner, name in (*CALLS, *((self.catalog, name) for name in CATALOG_CALLS)):
            self._wrap(owner, name)
        return self

    def __exit__(self, *_: object) -> None:
        for undo in self._undo:
            undo()

    def _wrap(self, owner: Any, name: str) -> None:
        original = getattr(owner, name)
        self._undo.append(lambda: setattr(owner, name, original))

        def call(*arguments: Any, **named: Any) -> Any:
            number, self.calls = self.calls, self.calls + 1
            make, done = FAULTS[self.fault]
            if number == self.at and not done:
                self.injected = True
                raise make()
            answer = original(*arguments, **named)
            if number == self.at:
                self.injected = True
                raise make()
            return answer

        setattr(owner, name, call)


@dataclass
class Lake:
    """A table, and what its source holds; each round the source is another."""

    catalog: Catalog
    mode: str
    source: dict[Window, pa.RecordBatch] = field(default_factory=dict)
    round: int = 0

    def change(self) -> Window:
        """Let the source change, and say which window is due."""
        self.round += 1
        whole = day(0) if self.mode != "append" else day(self.round)
        # A window inside a day splits files: rows around it have to survive.
        due = hours(0, 6, 12) if self.mode not in ("append", "upsert") and self.round % 2 else whole
        if due != whole and whole in self.source:
            times = self.source.pop(whole)
            for part in (hours(0, 0, 6), hours(0, 6, 12), hours(0, 12, 24)):
                self.source[part] = _within(times, part)
        if due == whole:
            self.source = {window: held for window, held in self.source.items() if window.start >= whole.end} | {
                window: held for window, held in self.source.items() if window.end <= whole.start
            }
        self.source[due] = rows(due, 900, value=self.round / 8)
        return due

    def load(self, window: Window) -> None:
        batch = self.source[window]
        parts = [batch.slice(first, 300) for first in range(0, len(batch), 300)]
        if self.mode.startswith("audited"):
            load = load_of(self.catalog, SMALL_FILES, stream(*parts), window, PROVENANCE, commit_timeout=BUDGET)
            audited(changed(load, audit=self.audit), replace_window, quarantine_of(SMALL_FILES))
            return
        if self.mode == "replace":
            replace_window(
                load_of(self.catalog, SMALL_FILES, stream(*parts), window, PROVENANCE, commit_timeout=BUDGET)
            )
        elif self.mode == "upsert":
            upsert_window(load_of(self.catalog, SMALL_FILES, stream(*parts), window, PROVENANCE, commit_timeout=BUDGET))
        else:
            append_window(
                load_of(
                    self.catalog,
                    SMALL_FILES,
                    lambda part: nullcontext(stream(*parts)),
                    window,
                    PROVENANCE,
                    commit_timeout=BUDGET,
                ),
            )

    def audit(self, catalog: Catalog) -> list[str]:
        """Nothing is wrong; meanwhile somebody may load another window."""
        if self.mode.endswith("overtaken"):
            self.source[OTHER] = rows(OTHER, 9)
            other = stream(self.source[OTHER])
            load = load_of(self.catalog, SMALL_FILES, other, OTHER, PROVENANCE, commit_timeout=BUDGET)
            replace_window(load)
        return []

    def check(self) -> None:
        """The table equals the source, and every file it lists is there, once."""
        held = table(self.catalog)
        files = [task.file.file_path for task in held.scan().plan_files()]
        assert len(files) == len(set(files))
        assert set(held.metadata.refs) == {"main"}
        assert all(Path(path.removeprefix("file://")).exists() for path in files)
        order = [("time", "ascending"), ("count", "ascending")]
        found = read_windows(held, [day(-1, 4000)]).read_all().sort_by(order)
        expected = pa.Table.from_batches(self.source.values()).cast(found.schema).sort_by(order)
        assert found == expected


def _within(batch: pa.RecordBatch, window: Window) -> pa.RecordBatch:
    times = [moment.value // 1000 for moment in batch.column("time")]
    return batch.take([row for row, time in enumerate(times) if window.start_us <= time < window.end_us])


@contextmanager
def prepared(catalog: Catalog, mode: str) -> Iterator[tuple[Lake, int]]:
    """A table with some history, and the number of calls that a load makes."""
    lake = Lake(catalog, mode)
    calls = []
    for _ in range(4):
        window = lake.change()
        with Faults(catalog) as counting:
            lake.load(window)
        calls.append(counting.calls)
    lake.check()
    yield lake, max(calls)


def run_case(lake: Lake, at: int, fault: str) -> bool:
    """Load with one failing call, then plainly again; whether the fault was met."""
    window = lake.change()
    with Faults(lake.catalog, at, fault) as faults, suppress(LakeError, Killed):
        lake.load(window)
    lake.load(window)
    lake.check()
    return faults.injected


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "SETTLING_SECONDS", 0.05)


@pytest.mark.parametrize(
    "mode", [mode if mode == "replace" else pytest.param(mode, marks=pytest.mark.slow) for mode in MODES]
)
def test_some_calls_fail(mode: str, catalog: Catalog) -> None:
    with prepared(catalog, mode) as (lake, calls):
        cases = [(at, fault) for at in range(calls) for fault in FAULTS]
        met = [run_case(lake, at, fault) for at, fault in random.Random(42).sample(cases, 14)]
        assert sum(met) >= 10


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("mode", MODES)
def test_every_call_fails(mode: str, fault: str, catalog: Catalog) -> None:
    with prepared(catalog, mode) as (lake, calls):
        met = [run_case(lake, at, fault) for at in range(calls)]
        assert sum(met) >= calls - 4
