"""A window that is written in parts: runs that are killed, and two at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.commit.overwrite_producer import ReplaceCommit
from influx_lake.iceberg.parts.records import PartRecords
from influx_lake.replication.splitting.helpers import NoHelpers, PartsWanted
from influx_lake_tests.unit.replication.fake_source import FakeSource
from influx_lake_tests.unit.replication.loading import APPENDING, CPU, UPSERTING, exact
from influx_lake_tests.unit.replication.split_windows import PARTS, loaded, source_of_parts, split


@pytest.fixture
def source() -> FakeSource:
    return source_of_parts()


class Killed(BaseException):
    """The end of a process."""


STEPS = {
    "before a part is noted": (PartRecords, "put", 2, False, PARTS[2:]),
    "after a part is noted": (PartRecords, "put", 2, True, PARTS[3:]),
    "before the commit": (ReplaceCommit, "commit", 0, False, []),
    # It took place: the window is as one that was loaded before.
    "after the commit": (ReplaceCommit, "commit", 0, True, PARTS),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("of", [CPU, UPSERTING], ids=lambda of: of.write.mode)
def test_a_run_is_killed_at_each_step(
    source: FakeSource, catalog: Catalog, written: list[Window], of: Measurement, step: str
) -> None:
    owner, name, calls, done_first, written_again = STEPS[step]
    original, left = getattr(owner, name), [None] * calls

    def killed(*arguments: object) -> None:
        if left:
            left.pop()
            original(*arguments)
            return
        if done_first:
            original(*arguments)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, killed)
        with pytest.raises(Killed):
            loaded(source, catalog, split(of))
    written.clear()
    loaded(source, catalog, split(of))
    assert written == written_again
    assert exact(source, catalog)


def test_a_run_is_killed_while_it_forgets_its_parts(source: FakeSource, catalog: Catalog) -> None:
    """Some of them are noted still, and committed already."""
    original, left = PartRecords.forget, [None]

    def killed(records: PartRecords, window: Window) -> None:
        if not left:
            raise Killed
        left.pop()
        original(records, window)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PartRecords, "forget", killed)
        with pytest.raises(Killed):
            loaded(source, catalog)
    source.asked.clear()
    source.rows = source.rows.set_column(2, "value", pa.array([5.0] * 40))
    loaded(source, catalog)
    assert source.asked == PARTS
    assert exact(source, catalog)


@pytest.mark.parametrize("of", [CPU, APPENDING, UPSERTING], ids=lambda of: of.write.mode)
def test_two_runs_load_the_same_window_at_once(source: FakeSource, catalog: Catalog, of: Measurement) -> None:
    """They meet before each part, and before the commit."""
    meeting = threading.Barrier(2, timeout=60)

    class Meeting(NoHelpers):
        @contextmanager
        def help(self, wanted: PartsWanted) -> Iterator[Iterator[Window]]:
            yield (part for part in wanted.parts if meeting.wait() >= 0)
            meeting.wait()

    with ThreadPoolExecutor(2) as runs:
        done = [*runs.map(lambda _: loaded(source, catalog, split(of), Meeting()), range(2))]
    assert [each.rows for each in done] == [40, 40]
    assert exact(source, catalog)
