"""The windows of a run, one after the other, each with figures of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import dagster as dg

from influx_lake.config.windows import Window
from influx_lake.orchestration.failures import failing_clearly
from influx_lake.orchestration.partition_events import Facts, describe_partition, finished_events


def run_windows(
    context: dg.OutputContext, subject: str, windows: Mapping[str, Window], run: Callable[[Window], Facts]
) -> Iterator[dg.DagsterEvent]:
    """Do something to each window, and describe each on its partition's own event.

    Args:
        context: The output that the windows are partitions of.
        subject: What is worked on, for people.
        windows: The windows, by partition key.
        run: Does it, in a commit of its own, and returns what came out.

    Yields:
        When a window fails, the materialisations of those before it, which are in the table.

    Raises:
        Failure: A window failed.
    """
    finished: dict[str, Facts] = {}
    try:
        for key, window in windows.items():
            context.log.info(f"{subject}: window {window} ({len(finished) + 1} of {len(windows)})")
            with failing_clearly(subject, window):
                finished[key] = run(window)
    except (Exception, dg.DagsterExecutionInterruptedError):
        yield from finished_events(context, finished)
        raise
    for key, facts in finished.items():
        describe_partition(context, key, facts)
