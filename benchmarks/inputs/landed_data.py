"""Files of points for `benchmarks.files`: JSON as Telegraf writes it, CSV, Parquet and exports of line protocol."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

START = datetime(2026, 3, 1, tzinfo=UTC)
FOLDERS = "cpu/year=%Y/month=%m/day=%d/hour=%H"
TAGS = ("host", "region")
TELEGRAF = "INFLUX_LAKE_TEST_TELEGRAF"
_SECOND = 10**6
_CPU = ("user", "system", "idle", "nice", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
_DISK = ("total", "free", "used", "inodes_total", "inodes_free", "inodes_used")


@dataclass(frozen=True, slots=True)
class Variant:
    """What rows are like.

    Attributes:
        hosts: How many series there are.
        wide: How many floats each row has besides the others; 0: two.
        texts: Whether each row has a text of its own.
        at_once: Whether all hosts report at the same times, as agents do; else each row has a time of its own.
    """

    hosts: int = 20
    wide: int = 0
    texts: bool = False
    at_once: bool = False


VARIANTS = {
    "plain": Variant(),
    "wide": Variant(wide=60),
    "few-rows": Variant(hosts=50_000),
    "hosts-200": Variant(hosts=200, at_once=True),
    "hosts-200000": Variant(hosts=200_000),
    "texts": Variant(texts=True),
}


def points(variant: Variant, begin: int, end: int, step: int, start: datetime = START) -> pa.Table:
    """The rows of some numbers: microseconds, two tags, two floats or more, an integer and a text."""
    number = np.arange(begin, end)
    moment = number // variant.hosts * variant.hosts if variant.at_once else number
    columns: dict[str, object] = {
        "timestamp": int(start.timestamp()) * _SECOND + moment * step,
        "host": pa.array(number % variant.hosts).cast(pa.string()),
        "region": pa.array([f"eu-{place}" for place in range(3)]).take(pa.array(number % variant.hosts % 3)),
        "usage": number % 1000 / 7,
        "idle": number % 997 / 3,
        "total": number,
        "state": pa.array([f"state {place}" for place in range(5)]).take(pa.array(number % 5)),
    }
    for place in range(variant.wide):
        columns[f"f{place:02}"] = (number + place) % 991 / 9
    if variant.texts:
        texts = pa.array(number * 2_654_435_761 % 2**32).cast(pa.string())
        columns["state"] = pa.compute.binary_join_element_wise("request", texts, " took long", "-")
    return pa.table(columns)


def land(folder: Path, kind: str, variant: Variant, rows: int) -> float:
    """Write a day's files by the hour, and some rows of the day before; returns the MB of the day."""
    step, size, whole = 86_400 * _SECOND // rows, 0, variant.hosts if variant.at_once else 1
    before = START - timedelta(days=1)
    _write(folder / before.strftime(FOLDERS), kind, points(variant, 0, 100, _SECOND, before))
    for hour in range(24):
        place = folder / (START + timedelta(hours=hour)).strftime(FOLDERS)
        begin, end = (each * rows // 24 // whole * whole for each in (hour, hour + 1))
        size += _write(place, kind, points(variant, begin, rows if hour == 23 else end, step))
    return size / 1e6


def _write(folder: Path, kind: str, rows: pa.Table) -> int:
    folder.mkdir(parents=True)
    file = folder / f"points.{kind}"
    if kind == "json":
        file.write_text("".join(_metrics(rows)))
    elif kind == "csv":
        pa.csv.write_csv(rows, file)
    else:
        pq.write_table(rows, file)
    return file.stat().st_size


def _metrics(rows: pa.Table) -> Iterator[str]:
    """Lines as Telegraf's `outputs.file` writes them."""
    fields = [name for name in rows.schema.names if name not in ("timestamp", *TAGS)]
    for row in rows.to_pylist():
        metric = {
            "fields": {name: row[name] for name in fields},
            "name": "cpu",
            "tags": {name: row[name] for name in TAGS},
            "timestamp": row["timestamp"],
        }
        yield json.dumps(metric, separators=(",", ":")) + "\n"


def export(file: Path, points: int, series: int = 1_000) -> int:
    """Write a .gz as `influx_inspect export` does, and return its bytes without compression.

    It has a line for each field, the times of a series one after the other, ten seconds apart.
    """
    times, size = np.arange(max(1, points // series)) * 10 * 10**9 + int(START.timestamp()) * 10**9, 0
    with gzip.open(file, "wb", compresslevel=1) as out:
        for number in range(series):
            for name in ("usage_user", "usage_system"):
                values = np.round(np.random.default_rng(number).random(len(times)) * 100, 3).tolist()
                begin = f"cpu,host=host{number:04},region=eu-{number % 4} {name}="
                text = "".join(f"{begin}{v} {t}\n" for v, t in zip(values, times.tolist(), strict=True)).encode()
                size += len(text)
                out.write(text)
    return size


def telegraf(file: Path, copies: int) -> int:
    """Write a .gz of what a real Telegraf writes of a machine's metrics, again and again ten seconds later.

    Returns:
        Its bytes without compression.
    """
    binary = os.environ.get(TELEGRAF)
    if not binary:
        raise SystemExit(f"--data telegraf needs a Telegraf: name it in {TELEGRAF}")
    with tempfile.TemporaryDirectory() as folder:
        config, out = Path(folder, "telegraf.conf"), Path(folder, "out.lp")
        Path(folder, "in.lp").write_text("".join(f"{each}\n" for each in _machine()))
        config.write_text(
            f'[[inputs.file]]\nfiles = ["{folder}/in.lp"]\ndata_format = "influx"\n'
            f'[[outputs.file]]\nfiles = ["{out}"]\ndata_format = "influx"\n'
        )
        subprocess.run([binary, "--config", str(config), "--once"], check=True, capture_output=True)
        lines = [line.rpartition(" ") for line in out.read_text().splitlines()]
    size = 0
    with gzip.open(file, "wb", compresslevel=1) as packed:
        for copy in range(copies):
            moved = (f"{line} {int(time) + copy * 10**10}\n" for line, _, time in lines)
            text = "".join(moved).encode()
            size += len(text)
            packed.write(text)
    return size


def _machine() -> Iterator[str]:
    """What Telegraf's usual inputs read on a machine: processors, disks, networks, memory, how long it has been up."""
    time, values = int(START.timestamp()) * 10**9, np.random.default_rng(1)
    for place in ("cpu-total", *(f"cpu{number}" for number in range(32))):
        fields = ",".join(f"usage_{name}={values.random() * 100}" for name in _CPU)
        yield f"cpu,cpu={place},host=db-1 {fields} {time}"
    for place in range(8):
        fields = ",".join(f"{name}={values.integers(10**12)}i" for name in _DISK)
        yield f"disk,device=sda{place},fstype=ext4,host=db-1,path=/srv/data{place} {fields},used_percent=12.5 {time}"
        fields = ",".join(f"{name}={values.integers(10**9)}u" for name in ("bytes_recv", "bytes_sent", "drop_in"))
        yield f"net,host=db-1,interface=eth{place} {fields} {time}"
    yield f"mem,host=db-1 available=123456789i,used_percent=61.25,total=16777216000i {time}"
    yield f'system,host=db-1 load1=0.5,n_cpus=32i,uptime_format="12 days, 4:01",healthy=true {time}'
