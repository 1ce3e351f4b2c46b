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
    "few-rows": Variant(hosts=50_000, at_once=True),
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
    step, size = 86_400 * _SECOND // rows, 0
    before = START - timedelta(days=1)
    _write(folder / before.strftime(FOLDERS), kind, points(variant, 0, 100, _SECOND, before))
    for hour in range(24):
        place = folder / (START + timedelta(hours=hour)).strftime(FOLDERS)
        size += _write(place, kind, points(variant, hour * rows // 24, (hour + 1) * rows // 24, step))
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
    """Write a .gz of what a real Telegraf reports of this machine, again and again ten seconds later.

    Returns:
        Its bytes without compression.
    """
    binary = os.environ.get(TELEGRAF)
    if not binary:
        raise SystemExit(f"--data telegraf needs a Telegraf: name it in {TELEGRAF}")
    inputs = "".join(f"[[inputs.{name}]]\n" for name in ("cpu", "mem", "disk", "diskio", "net", "processes", "system"))
    with tempfile.TemporaryDirectory() as folder:
        config, out = Path(folder, "telegraf.conf"), Path(folder, "out.lp")
        config.write_text(f'{inputs}[[outputs.file]]\nfiles = ["{out}"]\ndata_format = "influx"\n')
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
