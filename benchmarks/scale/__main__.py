"""What a lake of many measurements costs Dagster: loading its definitions, its sensors' ticks, its pages.

`python -m benchmarks.scale --json --sizes 1000,10000` prints, for lakes of so many measurements that a pattern matches
(up to 1,000 with 1,000 daily partitions each, of one database; more of them hourly, over five years, of databases of
200 each), whose tables hold one window:

- `import_cpu_s_N`: CPU seconds of `python -c 'import dagster'`, the median of those taken beside the others.
- `load_cpu_s_N`: those of a process that starts, imports everything and builds the code location, the median of three;
  `load_vs_import_N` is their ratio.
- `tick_cpu_s_N`: CPU seconds of the costliest tick, of all schedules and sensors, each evaluated in a process that has
  not ticked before, and so imports what ticks need, the median of three; `tick_vs_import_N`.
- `server_tick_cpu_s_N`: those of the costliest tick in a process that has ticked before, as the code server does that
  the daemon asks: the most of the three after the first one, the median of three; `server_tick_vs_import_N`.
- `ticks_N`, `ticks_again_N`: both, of each schedule and sensor; `tick_queries_N`: how many queries a tick sent to
  InfluxDB, the most of all.
- `rss_mb_N`: the most memory that one of those processes took.
- `start_cpu_s_N`: CPU seconds of webserver and code server until the webserver answers.
- `page_s_N`: seconds until the webserver, once it is up, answers what an asset's page asks for; `overview_page_s_N`:
  the page of an overview; `catalog_s_N`: the list of all assets; `automation_s_N`, `runs_s_N`: those pages;
  `workspace_s_N`: all assets as the UI asks for them, once for each browser and version of the definitions.
  `page_cpu_s_N` and so on: CPU seconds of webserver and code server.
- `ui_asset_s_N` and so on, with `--browser`: seconds until a page in Chromium has what it asked for, and the servers'
  CPU seconds; `ui_first_s_N`: the first page of a browser, which asks for all assets, and keeps them before others are
  opened. `ui_asks_again_N`: how many of the other pages asked for them again.
- `status_s_N`, `check_s_N`: seconds that `influx-lake status` and `influx-lake check` take, their processes' start too;
  `status_cpu_s_N`, `check_cpu_s_N`.
- `bare_load_cpu_s_N`, `bare_page_s_N` and so on, with `--bare`: of as many assets and checks without anything of ours.

`--automation declarative` does the same with Dagster's conditions in place of schedules. `--keep FOLDER` keeps the
lakes, and uses those that are there: to make one of 10,000 tables takes over ten minutes of CPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.inputs.many_measurements import DAILY, ManyMeasurements
from benchmarks.scale.browser import browsed
from benchmarks.scale.case import case
from benchmarks.scale.pages import pages_of, webserver
from benchmarks.scale.processes import bare_load, command, environment, imported, run_case
from influx_lake.orchestration.assets.source_assets import MEASUREMENTS_SHOWN

SIZES = (1, 100, 1_000)
TIMES = 3
_KINDS = ("cpu", "again")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--sizes", nargs="*", default=SIZES, help="how many measurements: 1,100 or 1 100")
    parser.add_argument("--automation", choices=["on", "declarative"], default="on", help="what loads windows")
    parser.add_argument("--keep", type=Path, help="where lakes are kept, and found")
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--browser", action="store_true", help="also pages in Chromium")
    parser.add_argument("--bare", action="store_true", help="also as many assets without anything of ours")
    options = parser.parse_args()
    if options.case:
        case(*options.case)
        return
    figures: dict[str, Any] = {}
    for size in [int(size) for text in options.sizes for size in str(text).split(",")]:
        with folder_of(options.keep, size, options.automation) as folder:
            lake = ManyMeasurements(folder, size, options.automation)
            with lake.served():
                measured = measure(lake, options.browser, options.bare)
                figures |= {f"{name}_{size}": value for name, value in measured.items()}
    print(json.dumps(figures) if options.json else "\n".join(f"{name}: {value}" for name, value in figures.items()))


@contextmanager
def folder_of(kept: Path | None, size: int, automation: str) -> Iterator[Path]:
    if kept is not None:
        folder = kept.absolute() / f"{automation}-{size}"
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    else:
        with tempfile.TemporaryDirectory() as made:
            yield Path(made)


def measure(lake: ManyMeasurements, in_browser: bool, with_bare: bool) -> dict[str, Any]:
    # Before the others: it may have to compile what they import.
    names = run_case(lake, "names", "")["names"]
    imports, loads = [], []
    for _ in range(TIMES):
        imports.append(imported(lake))
        loads.append(run_case(lake, "load", ""))
    each = {name: [run_case(lake, "tick", name)] for name in names}
    dearest = {kind: max(names, key={name: each[name][0][kind] for name in names}.__getitem__) for kind in _KINDS}
    for _ in range(TIMES - 1):
        imports.append(imported(lake))
        for name in sorted(set(dearest.values())):
            each[name].append(run_case(lake, "tick", name))
    reference, loaded = statistics.median(imports), statistics.median(load["cpu"] for load in loads)
    cost = {kind: statistics.median(found[kind] for found in each[name]) for kind, name in dearest.items()}
    ticks = [found for several in each.values() for found in several]
    return {
        "import_cpu_s": reference,
        "load_cpu_s": loaded,
        "load_vs_import": round(loaded / reference, 2),
        "tick_cpu_s": cost["cpu"],
        "tick_vs_import": round(cost["cpu"] / reference, 2),
        "dearest_tick": dearest["cpu"],
        "server_tick_cpu_s": cost["again"],
        "server_tick_vs_import": round(cost["again"] / reference, 2),
        "dearest_server_tick": dearest["again"],
        "tick_queries": max(found["queries"] for found in ticks),
        "ticks": {name: several[0]["cpu"] for name, several in each.items()},
        "ticks_again": {name: several[0]["again"] for name, several in each.items()},
        "rss_mb": max(found["rss_mb"] for found in (*loads, *ticks)),
        **pages(lake, in_browser),
        **command(lake, "status"),
        **command(lake, "check"),
        **(bare(lake, in_browser) if with_bare else {}),
    }


def pages(lake: ManyMeasurements, in_browser: bool) -> dict[str, Any]:
    """Of the lake's code location."""
    location = "influx_lake.definitions"
    with webserver(location, environment(lake)) as (url, process):
        found = pages_of(url, process, location, lake.asset, ["influx_lake", "overview", lake.asset[0]])
        return found | (browsed(url, process, lake.asset) if in_browser else {})


def bare(lake: ManyMeasurements, in_browser: bool) -> dict[str, Any]:
    """The same of a code location with as many assets and checks, and nothing of ours."""
    with tempfile.TemporaryDirectory() as home:
        size = {
            "BARE_MEASUREMENTS": str(lake.size),
            "BARE_HOURLY": "1" if lake.size > DAILY else "",
            "BARE_DATABASES": "1" if lake.size > MEASUREMENTS_SHOWN else "",
        }
        of_bare = environment(lake) | size | {"DAGSTER_HOME": home}
        (Path(home) / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
        found = {"load_cpu_s": bare_load(of_bare)}
        location = "benchmarks.scale.bare"
        with webserver(location, of_bare) as (url, process):
            asset = ["plant00", "m0000"]
            found |= pages_of(url, process, location, asset, None)
            found |= browsed(url, process, asset) if in_browser else {}
    return {f"bare_{name}": value for name, value in found.items()}


if __name__ == "__main__":
    main()
