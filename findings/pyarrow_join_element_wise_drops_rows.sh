#!/usr/bin/env bash
# pyarrow 26.0.1: binary_join_element_wise(..., null_handling="skip") gives fewer rows than it got, where a row is null in
# every array and nothing else is joined: the row is left out, and all rows behind it move up. No error, no warning; put back
# beside the columns that it was made of, the result fails or, in an array of its own, belongs to other rows. With a scalar among
# what is joined (that is not the separator), or with null_handling="replace", as many rows come as went in.
#
# Seen, of the arrays [null, "x", null] and [null, "y", "z"], joined by ",":
#   skip                     2 rows: "x,y", "z"
#   skip, a scalar too       3 rows: "m", "m,x,y", "m,z"
#   replace by ""            3 rows: ",", "x,y", ",z"
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import pyarrow as pa
import pyarrow.compute as pc

assert pa.__version__ == "26.0.1"
one, other = pa.array([None, "x", None]), pa.array([None, "y", "z"])
join = pc.binary_join_element_wise


def shown(what, joined):
    print(f"{what}: {joined.to_pylist()}")
    return joined.to_pylist()


assert shown("skip", join(one, other, ",", null_handling="skip")) == ["x,y", "z"]
assert shown("skip, one array", join(one, ",", null_handling="skip")) == ["x"]
assert shown("skip, a scalar too", join("m", one, other, ",", null_handling="skip")) == ["m", "m,x,y", "m,z"]
assert shown("replace", join(one, other, ",", null_handling="replace")) == [",", "x,y", ",z"]
try:
    pa.RecordBatch.from_arrays([one, join(one, other, ",", null_handling="skip")], names=["one", "joined"]).validate()
except ValueError as error:
    print(error)
else:
    raise AssertionError("three rows beside two")
PYTHON
