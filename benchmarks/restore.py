"""Line protocol made of a table's rows, beside the official client's writer of data frames; and a whole restore.

    python -m benchmarks.restore [--rows N] [--times N] [--json]

Seconds by the clock and of CPU of a process that does nothing else, the medians of some repetitions.
`restore_vs_client` is how many rows per CPU second become lines here, over how many influxdb-client serialises of a
pandas data frame of the same rows (`make bench-restore` installs it): ours from the rows of the table to batches that
could be sent, the client's from the frame to the list of its lines. `restore` is a window from the table into a packed
file, without reading it back, and the most memory that its process had; `peak_mb_of_twice` is that of one with twice as
many rows.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.inputs.served_lake import medians, served_lake
from benchmarks.verify import DAY, points
from influx_lake.config import Lake
from influx_lake.replication.window import replicate_window
from influx_lake.restore.delivery.batch import BatchWriter
from influx_lake.restore.destination import FolderDestination
from influx_lake.restore.lake_points import LakePoints
from influx_lake.restore.lines.dialect import GO
from influx_lake.restore.lines.writer import LineWriter
from influx_lake.restore.options import RestoreOptions
from influx_lake.restore.restore_run import restore
from influx_lake.restore.rows.layout import Part, Times, WideLayout
from influx_lake.restore.rows.names import DeclaredColumns

TAGS = ("host", "region")


def _layout() -> WideLayout:
    fields = [name for name in points(1).column_names if name not in ("time", *TAGS)]
    return WideLayout(Times("time"), tuple(Part(tag, tag) for tag in TAGS), tuple(Part(name, name) for name in fields))


def lines_of_ours(rows: int, times: int) -> dict[str, Any]:
    """Rows as the table gives them, to batches."""
    table, layout = points(rows), _layout()
    batches = table.combine_chunks().to_batches()

    def work() -> int:
        numbered = ((0, each) for batch in batches for each in layout.points(batch))
        writer = BatchWriter(DAY, LineWriter("cpu", GO), 1_000_000, 10_000)
        return sum(len(batch.body) for batch in writer.batches(numbered))

    return {"bytes": work(), "seconds": medians(lambda: _used(work()), times)}


def lines_of_client(rows: int, times: int) -> dict[str, Any]:
    """The same rows as a data frame, to the client's lines."""
    from influxdb_client.client.write.dataframe_serializer import data_frame_to_list_of_points
    from influxdb_client.client.write_api import PointSettings

    frame = points(rows).to_pandas().set_index("time")
    settings = PointSettings()

    def work() -> int:
        found = data_frame_to_list_of_points(
            frame, settings, data_frame_measurement_name="cpu", data_frame_tag_columns=list(TAGS)
        )
        return sum(map(len, found)) + len(found)

    return {"bytes": work(), "seconds": medians(lambda: _used(work()), times)}


def _used(_size: int) -> None:
    """What was made is not needed."""


def whole(rows: int, times: int) -> dict[str, Any]:
    """A window from its table into a file, in a process that only loaded the window before."""
    with (
        served_lake("cpu", "benchmarks.verify", ["--serve", "--rows", str(rows)]) as (measurement, catalog, source),
        tempfile.TemporaryDirectory() as folder,
    ):
        replicate_window(source, catalog, measurement, DAY, run_id="benchmark")
        lake = Lake(Path(folder, "lake.yaml"), {}, None, ())  # type: ignore[arg-type]
        options = RestoreOptions(verify=False, again=True)

        def ask() -> Any:
            return source.schema("cpu")

        columns = DeclaredColumns(ask)

        def work() -> None:
            found = restore(lake, catalog, measurement, FolderDestination(Path(folder, "out"), "cpu"), options, columns)
            assert (found.points, found.refused) == (rows, 0)

        assert LakePoints.of(catalog, measurement, None, None, columns).windows == (DAY,)
        seconds = medians(work, times)
    return {"seconds": seconds, "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}


CASES = {"ours": lines_of_ours, "client": lines_of_client, "restore": whole}


def run(rows: int, times: int) -> dict[str, Any]:
    """Every case in a process of its own."""
    ours, client = _in_process("ours", rows, times), _in_process("client", rows, times)
    restored, twice = _in_process("restore", rows, times), _in_process("restore", 2 * rows, 1)
    speeds = {name: round(rows / case["seconds"]["cpu"]) for name, case in (("ours", ours), ("client", client))}
    return {
        "rows": rows,
        "times": times,
        "bytes_of_lines": {"ours": ours["bytes"], "client": client["bytes"]},
        "rows_per_cpu_second": speeds,
        "restore_vs_client": round(speeds["ours"] / speeds["client"], 1),
        "restore": {
            **restored,
            "rows_per_second": round(rows / restored["seconds"]["wall"]),
            "peak_mb_of_twice": twice["peak_mb"],
        },
    }


def _in_process(case: str, rows: int, times: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.restore", "--case", case, "--rows", str(rows), "--times", str(times)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(CASES[arguments.case](arguments.rows, arguments.times)))
        return
    found = run(arguments.rows, arguments.times)
    print(json.dumps({"restore": found}, indent=2) if arguments.json else found)


if __name__ == "__main__":
    main()
