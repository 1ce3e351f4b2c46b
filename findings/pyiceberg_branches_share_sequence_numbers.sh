#!/usr/bin/env bash
# pyiceberg 0.12.0: two writers that append to two different branches of a table get in each other's way, and the one
# that is second gets a ValueError, which pyiceberg's own retries do not try again.
#
# Snapshots of all branches take their sequence numbers from one counter of the table. The requirement of a commit to a
# branch is only that this branch did not move, which holds, so that the commit is not refused as a conflict
# (CommitFailedException, tried again as `commit.retry.num-retries` says): the number that it brings is too low by then.
# Two writers to `main` are tried again as one expects. Who writes to branches concurrently has to catch both.
#
# Seen with 0.12.0 on Python 3.11:
#   both to main: 3 rows, the second was tried again
#   to a branch each: ValueError: Cannot add snapshot with sequence number 4 older than last sequence number 4
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'pyiceberg[sql-sqlite,pyarrow]==0.12.0'
cd "$folder"
venv/bin/python - <<'PY'
import os

import pyarrow as pa
from pyiceberg.catalog import load_catalog

catalog = load_catalog("c", type="sql", uri="sqlite:///c.db", warehouse="file://" + os.getcwd())
catalog.create_namespace("n")
rows = pa.table({"value": [1]})
catalog.create_table("n.t", rows.schema).append(rows)

one, other = catalog.load_table("n.t"), catalog.load_table("n.t")
one.append(rows)
other.append(rows)
found = catalog.load_table("n.t").scan().to_arrow().num_rows
print(f"both to main: {found} rows, the second was tried again")
assert found == 3

table = catalog.load_table("n.t")
head = table.current_snapshot().snapshot_id
table.manage_snapshots().create_branch(head, "first").create_branch(head, "second").commit()
one, other = catalog.load_table("n.t"), catalog.load_table("n.t")
one.append(rows, branch="first")
try:
    other.append(rows, branch="second")
    said = "no error"
except Exception as error:
    said = f"{type(error).__name__}: {error}"
print(f"to a branch each: {said}")
assert said == "ValueError: Cannot add snapshot with sequence number 4 older than last sequence number 4"
refs = catalog.load_table("n.t").metadata.refs
assert refs["second"].snapshot_id == head
PY
