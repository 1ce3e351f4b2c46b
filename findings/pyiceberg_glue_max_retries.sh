#!/usr/bin/env bash
# pyiceberg 0.12.0 (botocore 1.44.5): a Glue catalog with its documented property `glue.max-retries` cannot be opened.
#
# Properties of catalogs are texts: they come from YAML, environment variables and keyword arguments. pyiceberg converts
# other numbers (`property_as_int`), hands this one to botocore as it is, and botocore compares it with a number while the
# client is made, before anything is sent. Only a caller who breaks the declared type (text) and passes an int gets by;
# the retries are then one more than what is written in total attempts.
#
# Seen with 0.12.0 and botocore 1.44.5 on Python 3.11:
#   '3': TypeError: '<' not supported between instances of 'str' and 'int'
#   3: opened, total attempts: 4
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'pyiceberg[glue]==0.12.0' 'boto3==1.44.5' 'botocore==1.44.5'
cd "$folder"
HOME="$folder" venv/bin/python - <<'PY'
from pyiceberg.catalog import load_catalog

keys = {"glue.region": "us-east-1", "glue.access-key-id": "a", "glue.secret-access-key": "b"}
try:
    load_catalog("c", type="glue", **keys, **{"glue.max-retries": "3"})
except TypeError as error:
    print(f"'3': TypeError: {error}")
    assert "'str' and 'int'" in str(error)
else:
    raise AssertionError("a text was taken")
catalog = load_catalog("c", type="glue", **keys, **{"glue.max-retries": 3})
attempts = catalog.glue.meta.config.retries["total_max_attempts"]
print("3: opened, total attempts:", attempts)
assert attempts == 4
PY
