"""The windows of a run, each with figures of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import timedelta
from itertools import islice

import dagster as dg

from influx_lake.config.values.units import format_duration
from influx_lake.config.values.windows import Window
from influx_lake.orchestration.failures import failing_clearly
from influx_lake.orchestration.partition_events import Facts, describe_partition, finished_events, step_of
from influx_lake.orchestration.tags import WINDOW, subject_tags

PROGRESS_SECONDS = 2.0
"""A line of a run's log costs as much as a small window."""

_OF_TABLE = {"dagster/row_count"}


def run_windows(
    context: dg.OutputContext,
    subject: str,
    windows: Mapping[str, Window],
    run: Callable[[Window], Facts],
    *,
    at_once: int = 1,
) -> Iterator[dg.AssetMaterialization]:
    """Do something to each window, and describe each on its partition's own event.

    Args:
        context: The output that the windows are partitions of.
        subject: What is worked on, for people.
        windows: The windows, by partition key.
        run: Does it, in a commit of its own, and returns what came out; in threads where several are done at once.
        at_once: How many are done at the same time.

    Yields:
        When a window fails, the materialisations of those that were finished, which are in the table.

    Raises:
        Failure: A window failed; no other one was begun after that.
    """
    _tag_run(context, windows)
    finished: dict[str, Facts] = {}
    began = told = time.monotonic()

    def one(key: str) -> None:
        with failing_clearly(subject, windows[key]):
            finished[key] = run(windows[key])

    try:
        for key in _finishing(list(windows), one, at_once):
            now = time.monotonic()
            if now - told >= PROGRESS_SECONDS or len(finished) == len(windows):
                context.log.info(f"{subject}: {_progress(len(finished), len(windows), now - began)}: {windows[key]}")
                told = now
    except (Exception, dg.DagsterExecutionInterruptedError):
        yield from finished_events(context, finished)
        raise
    for key, facts in _with_the_tables_state_last(finished, list(windows)[-1]).items():
        describe_partition(context.asset_key, key, facts)


def _with_the_tables_state_last(finished: dict[str, Facts], last: str) -> dict[str, Facts]:
    """What is true of the whole table goes to the event that Dagster shows as the newest: its last partition's."""
    newest = next(reversed(finished.values()))
    return {**finished, last: {**finished[last], **{name: newest[name] for name in _OF_TABLE & newest.keys()}}}


def _finishing(keys: list[str], one: Callable[[str], None], at_once: int) -> Iterator[str]:
    """Each key when it is done; after a failure what is under way is waited for, and the first failure is raised."""
    if min(at_once, len(keys)) <= 1:
        for key in keys:
            one(key)
            yield key
        return
    waiting, under_way, failure = iter(keys), dict[Future[None], str](), None
    with ThreadPoolExecutor(at_once, "window") as threads:
        while True:
            room = at_once - len(under_way) if failure is None else 0
            for key in islice(waiting, room):
                under_way[threads.submit(one, key)] = key
            if not under_way:
                break
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                key = under_way.pop(future)
                if (error := future.exception()) is None:
                    yield key
                else:
                    failure = failure or error
    if failure is not None:
        raise failure


def _progress(done: int, total: int, seconds: float) -> str:
    left = timedelta(seconds=round((total - done) * seconds / done))
    rest = f", about {format_duration(left)} left" if done < total else ""
    return f"window {done} of {total} in {seconds:.1f} s ({done / seconds:.1f} windows/s{rest})"


def _tag_run(context: dg.OutputContext, windows: Mapping[str, Window]) -> None:
    """Let the tags of a run that somebody started say what it loads, as those of planned runs do."""
    step = step_of()
    run = step.run
    assets = sorted(run.asset_selection or {context.asset_key})
    if WINDOW not in run.tags and context.asset_key == assets[0]:
        names = [asset.path[-1] for asset in assets]
        step.instance.add_run_tags(run.run_id, subject_tags(names, windows.values()))
