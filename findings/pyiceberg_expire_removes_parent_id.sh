#!/usr/bin/env bash
# pyiceberg 0.12.0: expiring a snapshot removes `parent-snapshot-id` from the snapshots that were made on it.
#
# Iceberg's Java library leaves a snapshot as it was committed when it expires others: the id of a gone parent stays and
# tells that there was one. After pyiceberg's expire_snapshots() a snapshot whose parent expired looks like the first of
# its table, though its manifests hold files that earlier snapshots added. Who follows a table's history by parent ids
# cannot tell an expired past from a table that was replaced (CREATE OR REPLACE TABLE), which has no parent either.
#
# Seen with 0.12.0 on Python 3.11:
#   before: parent of the last snapshot is the first: True
#   after: parent of the last snapshot: None, files of other snapshots in its manifests: True
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'pyiceberg[sql-sqlite,pyarrow]==0.12.0'
cd "$folder"
venv/bin/python - <<'PY'
import pyarrow as pa
from pyiceberg.catalog import load_catalog

catalog = load_catalog("c", type="sql", uri="sqlite:///c.db", warehouse="file://" + __import__("os").getcwd())
catalog.create_namespace("n")
rows = pa.table({"value": [1, 2, 3]})
table = catalog.create_table("n.t", rows.schema)
table.append(rows)
table.append(rows)

first, last = table.metadata.snapshots
print("before: parent of the last snapshot is the first:", last.parent_snapshot_id == first.snapshot_id)
assert last.parent_snapshot_id == first.snapshot_id

table.maintenance.expire_snapshots().by_id(first.snapshot_id).commit()
[left] = catalog.load_table("n.t").metadata.snapshots
others = any(manifest.added_snapshot_id != left.snapshot_id for manifest in left.manifests(table.io))
print(f"after: parent of the last snapshot: {left.parent_snapshot_id}, files of other snapshots in its manifests: {others}")
assert left.snapshot_id == last.snapshot_id
assert left.parent_snapshot_id is None
assert others
PY
