#!/usr/bin/env bash
# pyarrow 26.0.1: a column of uint64 cannot be compared with a Python integer once it holds a value above 2^63 - 1, however
# small the integer is: the scalar is an int64, so that the column is cast to int64, checked. The common type of int64 and
# uint64 is int64, not one that holds both. It depends on the rows: a filter works until the first large value comes.
#
# Seen:
#   pc.greater(pa.array([1, 2**63], pa.uint64()), 5)      -> ArrowInvalid: Integer value 9223372036854775808 not in range
#   table.filter(pc.field("total") > 5)                   -> ArrowInvalid, the same
#   dataset.to_table(filter=pc.field("total") > 5)        -> ArrowInvalid, the same
#   pc.field("total") > pa.scalar(5, pa.uint64())         -> works
#   without the large value each of them works.
# So a literal has to be made a scalar of its column's type.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
"$folder/venv/bin/python" - "$folder/rows.parquet" <<'PYTHON'
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

assert pa.__version__ == "26.0.1"
large, small = (pa.table({"total": pa.array(values, pa.uint64())}) for values in ([1, 2**63], [1, 7]))
plain, typed = pc.field("total") > 5, pc.field("total") > pa.scalar(5, pa.uint64())
pq.write_table(large, sys.argv[1])


def refused(ask):
    try:
        ask()
    except pa.ArrowInvalid as error:
        print(error)
        return "not in range" in str(error)
    return False


assert refused(lambda: pc.greater(large["total"], 5))
assert refused(lambda: large.filter(plain))
assert refused(lambda: ds.dataset(sys.argv[1]).to_table(filter=plain))
assert large.filter(typed)["total"].to_pylist() == [2**63]
assert ds.dataset(sys.argv[1]).to_table(filter=typed)["total"].to_pylist() == [2**63]
assert small.filter(plain)["total"].to_pylist() == [7]
print("with a scalar of the column's type, and without the large value, it works")
PYTHON
