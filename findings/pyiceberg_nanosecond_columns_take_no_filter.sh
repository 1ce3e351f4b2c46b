#!/usr/bin/env bash
# pyiceberg 0.12.0 reads the columns of format version 3 whose type is timestamptz_ns (or timestamp_ns), and takes no row filter on
# them: whichever value is compared, a text with or without nanoseconds, a datetime or an integer, binding the filter raises
# TypeError. Its types, conversions, partition transforms and Arrow schemas all know the type; its literals alone do not. So such a
# table is read whole or not at all: no file is pruned by a time that its manifests have bounds of.
#
# Seen: scan().to_arrow() gives timestamp[ns, tz=UTC] and every nanosecond; scan(row_filter=...) gives
#   TypeError: Cannot convert StringLiteral into timestamptz_ns      (TimestampLiteral, LongLiteral likewise)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "pyiceberg[sql-sqlite]==0.12.0" pyarrow==26.0.1
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyiceberg
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import GreaterThanOrEqual
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField

assert pyiceberg.__version__ == "0.12.0"
FIRST = 1_767_225_600 * 10**9 + 7
here = Path.cwd()
catalog = SqlCatalog("c", uri=f"sqlite:///{here}/c.db", warehouse=f"file://{here}/w")
catalog.create_namespace("n")
# pyiceberg writes no tables of version 3: its own table of longs becomes one, whose manifests, of version 2, stay valid in it. The
# bounds of a long and of a timestamptz_ns are the same eight bytes.
longs = catalog.create_table("n.longs", Schema(NestedField(1, "time", LongType())))
longs.append(pa.table({"time": pa.array([FIRST, FIRST + 1], pa.int64())}))
[task] = longs.scan().plan_files()
path = task.file.file_path.removeprefix("file://")
rows = pq.read_table(path)
kind = pa.timestamp("ns", "UTC")
pq.write_table(rows.cast(pa.schema([rows.schema.field("time").with_type(kind)])), path)
newest = Path(longs.metadata_location.removeprefix("file://"))
metadata = json.loads(newest.read_text()) | {"format-version": 3, "next-row-id": 0}
for schema in metadata["schemas"]:
    schema["fields"][0]["type"] = "timestamptz_ns"
third = newest.with_name("00009-of-version-3.metadata.json")
third.write_text(json.dumps(metadata))
table = catalog.register_table("n.times", f"file://{third}")

whole = table.scan().to_arrow()["time"]
assert whole.type == kind, whole.type
assert whole.cast(pa.int64()).to_pylist() == [FIRST, FIRST + 1]
values = {
    "StringLiteral": ("2026-01-01T00:00:00.000000+00:00", "2026-01-01T00:00:00.000000007+00:00"),
    "TimestampLiteral": (datetime(2026, 1, 1, tzinfo=UTC),),
    "LongLiteral": (FIRST,),
}
for literal, those in values.items():
    for value in those:
        try:
            table.scan(row_filter=GreaterThanOrEqual("time", value)).to_arrow()
        except TypeError as error:
            print(type(error).__name__, error)
            assert str(error) == f"Cannot convert {literal} into timestamptz_ns", error
        else:
            raise SystemExit(f"{value!r} is taken now")
print(f"pyiceberg {pyiceberg.__version__} reads timestamptz_ns and takes no filter on it")
PYTHON
