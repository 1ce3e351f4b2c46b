#!/usr/bin/env bash
# duckdb 1.5.5: the operand of a simple CASE is not computed once but once for each WHEN: `CASE a WHEN 1 ... WHEN 2 ...` is made
# `CASE WHEN a = 1 ... WHEN a = 2 ...` by the parser. An operand that changes from call to call can miss all of its values:
# of `CASE random() < 0.5 WHEN true THEN 1 WHEN false THEN 0 ELSE 2 END` a quarter of the rows are 2, where sqlite has none.
# And the tree of json_serialize_sql has the operand once for each WHEN, each at the same query_location: who replaces names
# of an expression by these places does it twice in the same place.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==1.5.5
"$folder/venv/bin/python" - <<'PYTHON'
import json
import sqlite3

import duckdb

assert duckdb.__version__ == "1.5.5"
connection = duckdb.connect()
connection.execute("SELECT setseed(0.5)")
case = "CASE random() < 0.5 WHEN true THEN 1 WHEN false THEN 0 ELSE 2 END"
found = dict(connection.execute(f"SELECT v, count(*) FROM (SELECT {case} AS v FROM range(10000)) GROUP BY v").fetchall())
print("duckdb", sorted(found.items()))
assert 2000 < found[2] < 3000

sqlite = sqlite3.connect(":memory:")
rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT CASE random() < 0 {} END FROM n"
values = {value for (value,) in sqlite.execute(rows.format("WHEN true THEN 1 WHEN false THEN 0 ELSE 2"))}
print("sqlite", sorted(values))
assert values == {0, 1}

[(tree,)] = connection.execute("SELECT json_serialize_sql('SELECT CASE a WHEN 1 THEN 2 WHEN 3 THEN 4 END')").fetchall()
places = []


def walk(node):
    if isinstance(node, dict):
        if node.get("class") == "COLUMN_REF":
            places.append((node["column_names"], node["query_location"]))
        for each in node.values():
            walk(each)
    elif isinstance(node, list):
        for each in node:
            walk(each)


walk(json.loads(tree))
print("places of a:", places)
assert places == [(["a"], 12), (["a"], 12)]
PYTHON
echo "the operand is computed once for each WHEN"
