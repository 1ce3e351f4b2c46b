"""Table properties and file options, from a measurement to its table and its quarantine."""

from __future__ import annotations

import pyarrow.parquet as pq

from influx_lake.config import InfluxDB3Config, OnTypeConflict, Secret, TypeOptions, WriteOptions
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake_tests.integration.typed_lake import START_NS, TypedLake, measurement

TUNED = measurement(
    types=TypeOptions(on_type_conflict=OnTypeConflict.QUARANTINE),
    write=WriteOptions(bloom_filter=("host",), row_group_size=2),
    table_properties={"write.metadata.metrics.column.host": "none", "team": "platform"},
)


def test_they_reach_the_table_and_not_its_quarantine(typed_lake: TypedLake) -> None:
    typed_lake.write(*(f"cpu,host=h{i} value={i} {START_NS + i * 1000}" for i in range(5)))
    typed_lake.load(TUNED)
    table = typed_lake.table(TUNED)
    assert table.properties["team"] == "platform"
    (file,) = (task.file for task in table.scan().plan_files())
    assert table.schema().find_field("host").field_id not in file.lower_bounds
    footer = pq.read_metadata(file.file_path.removeprefix("file://"))
    assert [footer.row_group(number).num_rows for number in range(footer.num_row_groups)] == [2, 2, 1]
    chunks = [footer.row_group(0).column(number) for number in range(footer.num_columns)]
    assert [chunk.path_in_schema for chunk in chunks if chunk.bloom_filter_offset] == ["host"]

    typed_lake.write(*(f'cpu,host=h{i} value="v{i}" {START_NS + i * 1000}' for i in range(5)), database="changed")
    changed = InfluxDB3Source(
        InfluxDB3Config(host=typed_lake.box.url, database="changed", token=Secret(str(typed_lake.box.token)))
    )
    try:
        assert typed_lake.load(TUNED, source=changed).quarantined_rows == 5
    finally:
        changed.close()
    assert "team" not in typed_lake.table(measurement(table="cpu__quarantine")).properties
