"""How long the pages of Dagster's UI take: what its webserver is asked for."""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.scale.processes import cpu_of

TIMES = 3
_PATIENCE_SECONDS = 600
_ASSET = """
query Page($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    __typename
    ... on AssetNode {
      id description kinds partitionStats { numMaterialized numPartitions numFailed numMaterializing }
      assetMaterializations(limit: 30) { partition metadataEntries { label } }
      assetPartitionStatuses { __typename ... on TimePartitionStatuses { ranges { startKey endKey status } } }
    }
  }
}
"""
_CATALOG = """
query Catalog {
  assetNodes { id assetKey { path } groupName kinds description owners { __typename } tags { key value } isPartitioned }
}
"""
_AUTOMATION = """
query Automation {
  repositoriesOrError { ... on RepositoryConnection { nodes {
    schedules { id name cronSchedule scheduleState { id status ticks(limit: 1) { id status } } }
    sensors { id name sensorType sensorState { id status ticks(limit: 1) { id status } } }
  } } }
}
"""
_WORKSPACE = """
query Workspace($name: String!) {
  workspaceLocationEntryOrError(name: $name) { ... on WorkspaceLocationEntry {
    id name loadStatus versionKey
    locationOrLoadError { ... on RepositoryLocation { id name repositories { id name
      assetGroups { id groupName }
      assetNodes {
        __typename id changedReasons groupName opNames isMaterializable isObservable isExecutable isPartitioned
        isAutoCreatedStub hasAssetChecks computeKind hasMaterializePermission hasWipePermission
        hasReportRunlessAssetEventPermission assetKey { __typename path } internalFreshnessPolicy { __typename }
        partitionDefinition { __typename dimensionTypes { __typename type dynamicPartitionsDefinitionName } }
        automationCondition { __typename } description(characterLimit: 240) owners { __typename }
        tags { __typename key value } storageAddress { __typename storageKind tableName } jobNames kinds graphName
        dependencyKeys { __typename path }
      }
    } } }
  } }
}
"""
"""What the UI asks for once for each browser and version of the definitions: all assets, whatever page is shown."""
_OVERVIEW = """
query Overview {
  workspaceOrError { ... on Workspace { locationEntries { id name loadStatus } } }
  runsFeedOrError(limit: 30, view: ROOTS) { ... on RunsFeedConnection { results { id runStatus } } }
}
"""


@contextmanager
def webserver(module: str, environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """A webserver of the definitions of a module: its address and its process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dagster_webserver", "-m", module, "-h", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, env=dict(environment), stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}", server.pid
    finally:
        server.terminate()
        server.wait(60)


def pages_of(
    url: str, process: int, location: str, asset: Sequence[str], overview: Sequence[str] | None
) -> dict[str, Any]:
    """The seconds that what pages ask for takes, and the CPU seconds of webserver and code server."""
    page, began = {"key": {"path": list(asset)}}, time.monotonic()
    while answered(url, _ASSET, page)["data"]["assetNodeOrError"]["__typename"] != "AssetNode":
        if time.monotonic() - began > _PATIENCE_SECONDS:
            raise SystemExit("the webserver did not come up")
        time.sleep(0.5)
    found: dict[str, Any] = {"start_cpu_s": round(cpu_of(process), 2)}
    asked = {
        "page": (_ASSET, page),
        "catalog": (_CATALOG, {}),
        "automation": (_AUTOMATION, {}),
        "runs": (_OVERVIEW, {}),
        "workspace": (_WORKSPACE, {"name": location}),
    }
    if overview is not None:
        asked["overview_page"] = (_ASSET, {"key": {"path": list(overview)}})
    for name, (query, variables) in asked.items():
        taken, spent = [], []
        for _ in range(TIMES):
            began, before = time.monotonic(), cpu_of(process)
            answered(url, query, variables)
            taken.append(time.monotonic() - began)
            spent.append(cpu_of(process) - before)
        found |= {f"{name}_s": round(statistics.median(taken), 3), f"{name}_cpu_s": round(statistics.median(spent), 2)}
    return found


def answered(url: str, query: str, variables: Mapping[str, Any]) -> Any:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"Content-Type": "application/json"})
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return json.load(reply)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
