"""What would be, or was, deleted at a source, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from influx_lake.offload.planning import OffloadPlan
from influx_lake.offload.running import Result


def plan_facts(plan: OffloadPlan) -> dict[str, Any]:
    """What would be deleted of a measurement."""
    return {
        "measurement": plan.measurement.name,
        "table": plan.measurement.table_name,
        "source": plan.measurement.source,
        "windows": [{"window": str(window), "rows": rows} for window, rows in plan.windows],
        "rows": plan.rows,
        "waiting": plan.waiting,
        "unfinished": [str(window) for window in plan.unfinished],
        "refused": [
            {"window": str(each.window) if each.window else None, "windows": each.windows, "why": each.why}
            for each in plan.refused
        ],
        "offloaded": [str(window) for window in plan.done],
    }


def result_facts(results: Sequence[Result]) -> list[dict[str, Any]]:
    """What became of windows."""
    return [
        {"window": str(each.window), "outcome": str(each.outcome), "rows": each.rows, "said": each.said or None}
        for each in results
    ]
