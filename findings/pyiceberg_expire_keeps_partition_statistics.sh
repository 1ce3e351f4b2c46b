#!/usr/bin/env bash
# pyiceberg 0.12.0: expiring a snapshot leaves the entry of its partition statistics in the table's metadata.
#
# Iceberg's metadata name two kinds of statistics files for a snapshot: `statistics` and `partition-statistics`. When
# pyiceberg's expire_snapshots() removes a snapshot it removes its entry of the first kind and keeps that of the second,
# which then names a snapshot that the table does not have. Iceberg's Java library removes both. Who deletes the files of
# expired snapshots by what the metadata still name keeps such a file for ever.
#
# Seen with 0.12.0 on Python 3.11:
#   before: statistics of the first snapshot: 1, partition statistics: 1
#   after: statistics of the first snapshot: 0, partition statistics: 1
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'pyiceberg[sql-sqlite,pyarrow]==0.12.0'
cd "$folder"
venv/bin/python - <<'PY'
import pyarrow as pa
from pyiceberg.catalog import load_catalog
from pyiceberg.table.update import SetPartitionStatisticsUpdate, SetStatisticsUpdate

catalog = load_catalog("c", type="sql", uri="sqlite:///c.db", warehouse="file://" + __import__("os").getcwd())
catalog.create_namespace("n")
rows = pa.table({"value": [1, 2, 3]})
table = catalog.create_table("n.t", rows.schema)
table.append(rows)
table.append(rows)
first = table.metadata.snapshots[0].snapshot_id

file = {"snapshot-id": first, "statistics-path": "file:///nowhere/a.stats", "file-size-in-bytes": 1}
of_columns = {"statistics": {**file, "file-footer-size-in-bytes": 1, "blob-metadata": []}}
with table.transaction() as transaction:
    transaction._apply(
        (
            SetStatisticsUpdate.model_validate(of_columns),
            SetPartitionStatisticsUpdate.model_validate({"partition-statistics": file}),
        ),
        (),
    )


def counts():
    metadata = catalog.load_table("n.t").metadata
    return tuple(
        sum(each.snapshot_id == first for each in found) for found in (metadata.statistics, metadata.partition_statistics)
    )


print("before: statistics of the first snapshot: %d, partition statistics: %d" % counts())
assert counts() == (1, 1)
table.maintenance.expire_snapshots().by_id(first).commit()
print("after: statistics of the first snapshot: %d, partition statistics: %d" % counts())
assert catalog.load_table("n.t").metadata.snapshot_by_id(first) is None
assert counts() == (0, 1)
PY
