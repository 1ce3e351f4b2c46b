"""A lake on a real InfluxDB 1 or 2, run the way Dagster's daemon does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from influx_lake_tests.integration.orchestration.automated_lake import DATABASE
from influx_lake_tests.integration.orchestration.sensors.sensed_lake import CPU, SensedLake
from testbed.influxdb_servers import ORG, TOKEN, Server, influxdb1, influxdb2

LANGUAGES = ("1.8", "2", "2 flux")
"""The servers, and how they are asked."""


@dataclass(frozen=True)
class ServedDatabase:
    """A server's database in the place of a sandbox's.

    Attributes:
        server: The server.
        url: Its address.
        token: Who may read.
    """

    server: Server
    url: str
    token: str = TOKEN

    def write(self, _database: str, lines: str) -> None:
        """Write line protocol with times in nanoseconds."""
        self.server.write(lines)

    def delete(self, measurement: str, start: str, end: str) -> None:
        """Delete the points of a time, given in ISO 8601 with a Z."""
        if self.server.options["type"] == "influxdb1":
            self.server.query(f"DELETE FROM \"{measurement}\" WHERE time >= '{start}' AND time < '{end}'")
            return
        body = f'{{"start": "{start}", "stop": "{end}", "predicate": "_measurement=\\"{measurement}\\""}}'
        place = f"/api/v2/delete?org={ORG}&bucket={DATABASE}"
        self.server.request(place, body.encode(), {"Content-Type": "application/json"})


class ServedLake(SensedLake):
    """The lake; its `box` is a `ServedDatabase`."""

    def materialize(
        self, first: str, last: str, keys: Sequence[dg.AssetKey] = (CPU,), *, checks: bool = True
    ) -> dg.ExecuteInProcessResult:
        """Materialise a range of partitions in one run, as a backfill's chunk is, and check them."""
        selection = dg.AssetSelection.assets(*keys)
        chosen = dg.define_asset_job("chosen", selection if checks else selection.without_checks())
        job = dg.Definitions.merge(self.definitions, dg.Definitions(jobs=[chosen])).resolve_job_def("chosen")
        ends = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        return job.execute_in_process(instance=self.instance, tags=ends, raise_on_error=False)

    def check(self, name: str = "source_equals_lake") -> dg.AssetCheckEvaluation:
        """Do one check of cpu alone."""
        selection = dg.AssetSelection.checks(dg.AssetCheckKey(CPU, name))
        job = dg.define_asset_job("checked", selection=selection)
        merged = dg.Definitions.merge(self.definitions, dg.Definitions(jobs=[job]))
        result = merged.resolve_job_def("checked").execute_in_process(instance=self.instance)
        [evaluation] = result.get_asset_check_evaluations()
        return evaluation


@contextmanager
def served_database(folder: Path, language: str) -> Iterator[ServedDatabase]:
    """A server of its own."""
    with influxdb1(folder, language) if language.startswith("1") else influxdb2(folder) as server:
        yield ServedDatabase(server, server.url)


def source_section(database: ServedDatabase, language: str, folder: Path) -> dict[str, Any]:
    """The section `sources` of a lake.yaml for it."""
    options: dict[str, Any] = {**database.server.options, "retry": {"budget": "1s"}}
    if options["type"] == "influxdb2":
        token = folder / "token"
        token.write_text(TOKEN)
        options["token"] = f"${{file:{token}}}"
    if language.endswith("flux"):
        options["query_language"] = "flux"
    return {"default": options}


def served_lake(
    database: ServedDatabase,
    language: str,
    folder: Path,
    instance: dg.DagsterInstance,
    measurements: Mapping[str, Any],
) -> ServedLake:
    """A lake that reads it."""
    options = {"sources": source_section(database, language, folder), "measurements": measurements}
    return ServedLake(database, folder, instance, options)  # type: ignore[arg-type]
