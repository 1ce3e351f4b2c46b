"""Plans and results of off-loading as JSON, for `--json` and Dagster metadata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from influx_lake.offload.offload_run import Result
from influx_lake.offload.planning import OffloadPlan


def plan_facts(plan: OffloadPlan) -> dict[str, Any]:
    """An off-load plan of a measurement, ready for JSON."""
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
    """The results of off-loading windows, ready for JSON."""
    return [
        {"window": str(each.window), "outcome": str(each.outcome), "rows": each.rows, "said": each.remark or None}
        for each in results
    ]
