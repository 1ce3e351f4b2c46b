#!/usr/bin/env bash
# polars 2.1.0 with pyiceberg 0.12.0: pl.scan_iceberg(table) plans with the FileIO of the pyiceberg Table that it is given,
# and reads the data files with other credentials than it: those of the environment.
#
# The Table was loaded from a catalog whose properties say where S3 is and with which keys; `table.scan()` reads it. Of
# scan_iceberg(table) the plan (metadata and manifests) comes from there as well, so that the mistake shows at collect() only:
# the data files are asked for at $AWS_ENDPOINT_URL, and without that at Amazon. The properties have to be passed once more, as
# storage_options=table.io.properties; then the rows come.
#
# Seen: pyiceberg reads 3 rows; scan_iceberg(table).collect() raises and names the endpoint of the environment;
# scan_iceberg(table, storage_options=table.io.properties).collect() reads 3 rows. Exits non-zero when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  "polars==2.1.0" "pyiceberg[sql-sqlite,pyiceberg-core]==0.12.0" "pyarrow==26.0.1" "moto[s3]==5.2.5" "flask==3.1.3" "flask-cors==6.0.5"
cd "$folder"
env -u AWS_PROFILE POLARS_ICEBERG_PLANNER=pyiceberg AWS_EC2_METADATA_DISABLED=true timeout 120 venv/bin/python - <<'PYTHON'
import logging
import os
import urllib.request

import polars as pl
import pyarrow as pa
from moto.server import ThreadedMotoServer
from pyiceberg.catalog.sql import SqlCatalog

ELSEWHERE = "http://127.0.0.1:1"
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
server.start()
try:
    here = "http://{}:{}".format(*server.get_host_and_port())
    urllib.request.urlopen(urllib.request.Request(f"{here}/lake", method="PUT"))
    catalog = SqlCatalog(
        "lake",
        uri="sqlite:///catalog.db",
        warehouse="s3://lake/warehouse",
        **{
            "s3.endpoint": here,
            "s3.access-key-id": "key",
            "s3.secret-access-key": "secret",
            "s3.region": "us-east-1",
        },
    )
    catalog.create_namespace("telemetry")
    rows = pa.table({"value": [1, 2, 3]})
    table = catalog.create_table("telemetry.cpu", rows.schema)
    table.append(rows)
    os.environ["AWS_ENDPOINT_URL"] = ELSEWHERE
    os.environ["AWS_ACCESS_KEY_ID"] = os.environ["AWS_SECRET_ACCESS_KEY"] = "other"

    assert table.scan().to_arrow().num_rows == 3

    try:
        found = pl.scan_iceberg(table).collect()
    except Exception as error:
        assert "127.0.0.1:1/" in str(error), error
        print("scan_iceberg(table):", str(error).splitlines()[0])
    else:
        raise AssertionError(f"it reads {found.height} rows")

    told = pl.scan_iceberg(table, storage_options=dict(table.io.properties)).collect()
    assert told.height == 3
    print("with storage_options=table.io.properties:", told.height, "rows")
finally:
    server.stop()
PYTHON
