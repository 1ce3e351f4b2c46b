#!/usr/bin/env bash
# pyarrow 26.0.1: pyarrow.array() cuts the fraction off a Python float that is to be an integer, without an error, although
# it refuses other losses (an integer beyond 64 bits, a boolean, a text) and although a cast of the same values refuses it.
#
# Seen:
#   pa.array([1.5, -2.75], pa.int64())             -> [1, -2]
#   pa.array([1.5, -2.75]).cast(pa.int64())        -> ArrowInvalid: Float value 1.500000 was truncated converting to int64
#   pa.array([True], pa.int64())                   -> ArrowTypeError: Expected integer, got bool
#   pa.array([True], pa.float64())                 -> [1.0]
# So values of JSON that should be integers have to be looked at one by one before they become a column.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import pyarrow as pa

assert pa.__version__ == "26.0.1"
cut = pa.array([1.5, -2.75], pa.int64()).to_pylist()
print("pa.array([1.5, -2.75], pa.int64()) ->", cut)
assert cut == [1, -2]
try:
    pa.array([1.5, -2.75]).cast(pa.int64())
except pa.ArrowInvalid as error:
    print("a cast refuses it:", error)
    assert "truncated" in str(error)
else:
    raise AssertionError("the cast does it too")
try:
    pa.array([True], pa.int64())
except pa.ArrowTypeError as error:
    print("a boolean is refused for an integer:", error)
else:
    raise AssertionError("a boolean is taken for an integer")
assert pa.array([True], pa.float64()).to_pylist() == [1.0]
print("and taken for a float: 1.0")
PYTHON
