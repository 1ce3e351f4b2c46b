#!/usr/bin/env bash
# pyarrow 26.0.1: the Parquet writer's `dictionary_pagesize_limit` says when a column's dictionary is given up and values are
# written plainly. It holds for plain arrays only. A column that comes as a DictionaryArray keeps its dictionary, however
# large it gets, without a word. And the size is looked at once for each `write_batch_size` rows (up to a page's 20,000).
#
# Seen, 100,000 texts of 16 characters that are all different, limit 1,024 bytes:
#   plain array                             -> the dictionary page has 20,499 bytes (1,024 texts), the rest is plain
#   the same as a DictionaryArray           -> the dictionary page has 2,000,022 bytes, all 100,000 texts
#   plain array, write_batch_size=100_000   -> the dictionary page has 400,020 bytes (20,000 texts)
# So a writer that encodes texts before it hands them over, which is quicker, has to give up large dictionaries itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import io

import pyarrow as pa
import pyarrow.parquet as pq

assert pa.__version__ == "26.0.1"
texts = pa.array([f"{number:016d}" for number in range(100_000)])


def written(values, **options):
    target = io.BytesIO()
    pq.write_table(
        pa.table({"a": values}), target, compression="none", dictionary_pagesize_limit=1_024, store_schema=False, **options
    )
    column = pq.ParquetFile(target).metadata.row_group(0).column(0)
    return column.data_page_offset - column.dictionary_page_offset


plain = written(texts)
encoded = written(texts.dictionary_encode())
at_once = written(texts, write_batch_size=100_000)
print(f"dictionary pages: {plain:,} bytes of a plain array, {encoded:,} of a DictionaryArray, {at_once:,} of one batch")
assert plain < 40_000
assert encoded > 2_000_000
assert 400_000 < at_once < 500_000
PYTHON
