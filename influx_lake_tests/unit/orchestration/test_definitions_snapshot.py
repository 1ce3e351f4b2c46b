"""What a lake.yaml with everything switched on becomes in Dagster, as text that a reader can follow.

`make snapshot` writes it anew; the difference belongs into the review of whatever changed it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from influx_lake.config import Lake, load_lake
from influx_lake.config.sources.discovery import write_discovered
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.orchestration.pools import pool_limits

WRITE = "INFLUX_LAKE_WRITE_SNAPSHOT"
_FOLDER = Path(__file__).parent / "snapshot"
_SNAPSHOT = _FOLDER / "definitions.yaml"
_HEADER = "# What lake.yaml beside it becomes in Dagster. Written by `make snapshot`, and compared by a test.\n\n"
_FOUND = {"default": ["cpu", "mem", "room_attic", "room_cellar"], "plant/north": ["press"], "plant/south": ["press"]}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """The lake, when discovery has run once."""
    shutil.copy(_FOLDER / "lake.yaml", tmp_path)
    write_discovered(tmp_path, _FOUND)
    return load_lake(tmp_path / "lake.yaml")


def test_a_lake_with_everything_becomes_these_definitions(lake: Lake) -> None:
    shown = _HEADER + yaml.safe_dump(described(lake), sort_keys=False, default_flow_style=None, width=110)
    if os.environ.get(WRITE):
        _SNAPSHOT.write_text(shown, encoding="utf-8")

    assert shown.splitlines() == _SNAPSHOT.read_text(encoding="utf-8").splitlines(), "`make snapshot` writes it anew"


def described(lake: Lake) -> dict[str, Any]:
    """The definitions of a lake as plain values, each list in the order of names."""
    definitions = build_definitions(lake)
    repository = definitions.get_repository_def()
    graph = definitions.resolve_asset_graph()
    specs = {spec.key: spec for spec in definitions.resolve_all_asset_specs()}
    return {
        "assets": {key.to_user_string(): _asset(specs[key], graph.get(key)) for key in sorted(specs)},
        "checks": {
            key.to_user_string(): {
                each.name: "blocking" if each.blocking else "not blocking"
                for each in sorted(_check_specs(definitions), key=lambda spec: spec.name)
                if each.asset_key == key
            }
            for key in sorted({spec.asset_key for spec in _check_specs(definitions)})
        },
        "jobs": {
            job.name: {
                "loads": sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys),
                "executor": job.executor_def.name,
            }
            for job in sorted(repository.get_all_jobs(), key=lambda job: job.name)
            if not job.name.startswith("__")
        },
        "schedules": {
            each.name: {
                "job": each.job_name,
                "cron": each.cron_schedule,
                "timezone": each.execution_timezone,
                "status": each.default_status.value,
            }
            for each in sorted(repository.schedule_defs, key=lambda each: each.name)
        },
        "sensors": {
            each.name: {
                "every": f"{each.minimum_interval_seconds} s",
                "status": each.default_status.value,
                "kind": each.sensor_type.value,
            }
            for each in sorted(repository.sensor_defs, key=lambda each: each.name)
        },
        "pools": dict(sorted(pool_limits(lake).items())),
        "resources": {
            name: type(resource).__name__ for name, resource in sorted((definitions.resources or {}).items())
        },
    }


def _asset(spec: dg.AssetSpec, node: Any) -> dict[str, Any]:
    facts = {
        "kinds": sorted(spec.kinds),
        "group": spec.group_name,
        "partitions": _partitions(spec.partitions_def),
        "windows per run": _windows_per_run(node.backfill_policy) if node.is_materializable else None,
        "made of": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
        "pool": ", ".join(sorted(node.pools or ())),
        "freshness": _freshness(spec.freshness_policy),
        "automation": _automation(spec.automation_condition),
        "owners": list(spec.owners),
        "tags": _own(spec.tags),
        "table": spec.metadata.get("dagster/table_name"),
    }
    return {name: fact for name, fact in facts.items() if fact}


def _check_specs(definitions: dg.Definitions) -> Iterable[dg.AssetCheckSpec]:
    assets = definitions.assets or ()
    return [spec for each in assets if isinstance(each, dg.AssetsDefinition) for spec in each.check_specs]


def _partitions(definition: dg.PartitionsDefinition | None) -> str | None:
    if not isinstance(definition, dg.TimeWindowPartitionsDefinition):
        return None
    return f"{definition.cron_schedule} from {definition.start:%Y-%m-%d} in {definition.timezone}"


def _windows_per_run(policy: dg.BackfillPolicy | None) -> int | None:
    return policy.max_partitions_per_run if policy else None


def _freshness(policy: Any) -> str | None:
    return (
        f"{policy.warn_window.to_timedelta()} to warn, {policy.fail_window.to_timedelta()} to fail" if policy else None
    )


def _automation(condition: dg.AutomationCondition[dg.AssetKey] | None) -> str | None:
    return condition.get_label() or condition.name if condition else None


def _own(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in sorted(tags.items()) if not name.startswith("dagster/")}
