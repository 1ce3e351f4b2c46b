"""Files in object stores as sources, and tables beside them, by one entry of `storage`, by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyiceberg.io import load_file_io

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.storage.listing import files_below
from influx_lake.sources.files.place import path_in_store, store_of
from influx_lake_tests.integration.iceberg.stores.stores import PLACES

LAKE = """\
storage:
  shared: {shared}
sources:
  default:
    type: landing_zone
    path: "{zone}/year={{year}}/month={{month}}/day={{day}}"
    database: landed
    storage: shared
  export: {{type: line_protocol, path: "{short}/exports/**.lp", database: exported, storage: shared}}
catalog: {{type: sql, uri: "sqlite:///./catalog.db", warehouse: "{zone}-lake", storage: shared}}
defaults: {{partition: {{start: 2025-06-01}}, lag: 0s}}
measurements: {{cpu: {{}}, mem: {{source: export}}}}
"""
JUNE = 1748736000
BOUNDS = ("--start", "2025-06-01", "--end", "2025-06-04")


@pytest.mark.servers
@pytest.mark.parametrize("store", PLACES)
def test_files_of_a_store(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with PLACES[store](tmp_path) as properties:
        warehouse = properties.pop("warehouse")
        # The short form of an Azure address; others have one.
        short = "abfss://lake" if store == "adls" else warehouse.rpartition("/")[0]
        zone = f"{warehouse.rpartition('/')[0]}/zone"
        config = tmp_path / "lake.yaml"
        config.write_text(LAKE.format(shared=json.dumps(properties or {"s3.region": "none"}), zone=zone, short=short))
        system = store_of(zone, properties)

        def put(location: str, text: str) -> None:
            if store == "file":
                Path(path_in_store(location)).parent.mkdir(parents=True, exist_ok=True)
            with system.open_output_stream(path_in_store(location)) as file:
                file.write(text.encode())

        for day, folder in enumerate(("month=6/day=1", "month=6/day=1/deeper", "month=06/day=03")):
            for part in range(2):
                record = {"name": "cpu", "tags": {"host": f"{day}-{part}"}, "fields": {"v": part}}
                time = JUNE + (day // 2) * 2 * 86_400 + part
                put(f"{zone}/year=2025/{folder}/{part}.json", json.dumps({**record, "timestamp": time}))
        for number in range(3):
            put(f"{short}/exports/d{number}/x.lp", f"mem,host=a v={number} {(JUNE + number * 86_400) * 10**9}\n")

        assert run(["check", "-c", str(config)]) == 0, capsys.readouterr()
        files = load_file_io({**properties, "warehouse": zone})
        assert [each.path for each in files_below(files, f"{zone}-lake")] == []
        assert run(["replicate", "--all", *BOUNDS, "-c", str(config)]) == 0, capsys.readouterr().err
        assert run(["check", "-c", str(config)]) == 0, capsys.readouterr()
        assert run(["verify", *BOUNDS, "-c", str(config)]) == 0
        assert "6 windows compared, all equal" in capsys.readouterr().out
        lake = load_lake(config)
        catalog = open_catalog("lake", lake.catalog.properties())
        found = {each.table: catalog.load_table(each.identifier).scan().to_arrow() for each in lake.measurements}
        assert sorted(found["cpu"]["host"].to_pylist()) == ["0-0", "0-1", "1-0", "1-1", "2-0", "2-1"]
        assert found["mem"].sort_by("time")["v"].to_pylist() == [0.0, 1.0, 2.0]

        # A file that was written again is another one, though it is as long.
        put(f"{short}/exports/d1/x.lp", f"mem,host=a v=7 {(JUNE + 86_400) * 10**9}\n")
        assert run(["replicate", "mem", *BOUNDS, "-c", str(config)]) == 0
        again = catalog.load_table(("exported", "mem")).scan().to_arrow()
        assert again.sort_by("time")["v"].to_pylist() == [0.0, 7.0, 2.0]
        captured = capsys.readouterr()
        assert properties.get("s3.secret-access-key", properties.get("adls.connection-string", "!")) not in (
            captured.out + captured.err
        )
