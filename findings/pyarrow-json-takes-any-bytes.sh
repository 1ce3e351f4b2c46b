#!/usr/bin/env bash
# pyarrow 26.0.1: pyarrow.json.read_json takes strings that are no UTF-8 into a column of strings, without an error, where
# pyarrow.csv.read_csv refuses the same bytes; and it reads the words NaN and Infinity, which JSON does not have, as floats.
#
# Seen:
#   read_json(b'{"a": "caf\xe9"}')                 -> a table; validate(full=True): Invalid UTF8 sequence; to_pylist() raises
#   read_csv(b'a\ncaf\xe9') as string              -> ArrowInvalid: invalid UTF8 data
#   read_json(b'{"a": NaN}\n{"a": Infinity}')      -> [nan, inf]
# So text in another character set reaches a Parquet file's string column unless the bytes are checked before.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import math

import pyarrow as pa
from pyarrow import csv, json

assert pa.__version__ == "26.0.1"
table = json.read_json(pa.py_buffer(b'{"a": "caf\xe9"}'))
print("read_json:", table.schema.field("a"))
assert table.schema.field("a").type == pa.string()
try:
    table.validate(full=True)
except pa.ArrowInvalid as error:
    print("but its own validation says:", error)
    assert "UTF8" in str(error)
else:
    raise AssertionError("the table is valid")
try:
    csv.read_csv(
        pa.py_buffer(b"a\ncaf\xe9"), convert_options=csv.ConvertOptions(column_types={"a": pa.string()})
    )
except pa.ArrowInvalid as error:
    print("read_csv refuses it:", error)
else:
    raise AssertionError("read_csv takes it too")
words = json.read_json(pa.py_buffer(b'{"a": NaN}\n{"a": Infinity}'))["a"].to_pylist()
print("NaN and Infinity are read as", words)
assert math.isnan(words[0])
assert words[1] == math.inf
PYTHON
