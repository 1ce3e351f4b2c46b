"""What one measured process does: `load` the definitions, tell their `names`, or do a `tick`."""

from __future__ import annotations

import json
import resource
import time
from datetime import UTC, datetime, timedelta
from typing import Any

AGAIN = 3
"""How many more ticks a process does after its first."""


def case(name: str, argument: str) -> None:
    """What a process of its own does; the last line of its output is JSON."""
    from influx_lake.definitions import defs

    definitions = defs()
    repository = definitions.get_repository_def()
    if name == "load":
        assert repository.assets_defs_by_key
        print(json.dumps({"cpu": round(time.process_time(), 2), "rss_mb": rss_mb()}))
    elif name == "names":
        timers = [*repository.schedule_defs, *repository.sensor_defs]
        print(json.dumps({"names": [timer.name for timer in timers]}))
    else:
        print(json.dumps({**ticks_of(definitions, argument), "rss_mb": rss_mb()}))


def rss_mb() -> int:
    """The most memory that this process had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def ticks_of(definitions: Any, name: str) -> dict[str, Any]:
    """What the first tick of a process costs, and the costliest of those after it."""
    import dagster as dg
    from dagster._core.execution.resources_init import get_transitive_required_resource_keys

    from influx_lake.sources.influxdb3.flight import FlightConnection

    queries, stream = [0], FlightConnection.stream
    repository = definitions.get_repository_def()
    timer = next(each for each in (*repository.schedule_defs, *repository.sensor_defs) if each.name == name)
    if isinstance(timer, dg.AutomationConditionSensorDefinition):
        # The daemon evaluates it, which has the graph already.
        assert repository.asset_graph

    def counted(*arguments: Any) -> Any:
        queries[0] += 1
        return stream(*arguments)

    FlightConnection.stream = counted  # type: ignore[assignment, method-assign]
    # As the code server does, which gives a tick the resources that it requires.
    everything = repository.get_top_level_resources()
    required = get_transitive_required_resource_keys(timer.required_resource_keys, everything)
    resources = {key: resource for key, resource in everything.items() if key in required}
    costs, asked = list[float](), list[int]()
    with dg.DagsterInstance.get() as instance:
        now, cursor = datetime.now(UTC), None
        for number in range(1 + AGAIN):
            before, began = queries[0], time.process_time()
            cursor = tick(definitions, name, instance, resources, now + timedelta(minutes=number), cursor)
            costs.append(round(time.process_time() - began, 2))
            asked.append(queries[0] - before)
    return {"cpu": costs[0], "again": max(costs[1:]), "queries": max(asked)}


def tick(definitions: Any, name: str, instance: Any, resources: Any, now: datetime, cursor: str | None) -> str | None:
    """One tick; gives its cursor."""
    import dagster as dg

    repository = definitions.get_repository_def()
    schedules = {schedule.name: schedule for schedule in repository.schedule_defs}
    if name in schedules:
        with dg.build_schedule_context(
            instance=instance, repository_def=repository, resources=resources, scheduled_execution_time=now
        ) as context:
            schedules[name].evaluate_tick(context)
        return None
    sensor = repository.get_sensor_def(name)
    if isinstance(sensor, dg.AutomationConditionSensorDefinition):
        dg.evaluate_automation_conditions(
            defs=definitions, instance=instance, asset_selection=sensor.asset_selection, evaluation_time=now
        )
        return None
    if isinstance(sensor, dg.RunStatusSensorDefinition):
        return None
    with dg.build_sensor_context(
        instance=instance, repository_def=repository, resources=resources, cursor=cursor
    ) as sensor_context:
        found: str | None = sensor.evaluate_tick(sensor_context).cursor
        return found
