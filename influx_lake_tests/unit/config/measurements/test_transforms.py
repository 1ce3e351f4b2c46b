"""Mistakes in the options that shape rows: each is told with its place, when the lake is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from influx_lake.config import load_lake
from influx_lake.config.measurements.measurement import Measurement
from influx_lake.config.transforms.options import OnCastError

KEEP = "tags: {exclude: [host]}, duplicates: keep"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{fields: {includ: [a]}}", "fields.includ: unknown option (did you mean include?)"),
        ("{fields: [a]}", "fields: must hold options"),
        ("{fields: {include: a}}", "fields.include: must be a list"),
        ("{fields: {include: []}}", "fields.include: names no field"),
        ("{fields: {include: ['/(a/']}}", "fields.include[0]: '/(a/' is not a regular expression"),
        ("{fields: {exclude: [time]}}", "fields.exclude[0]: 'time' is the time itself"),
        ("{tags: {exclude: [host]}}", "tags.exclude: leaves out a tag"),
        ("{tags: {exclude: host}}", "tags: `exclude` is a list of tags"),
        ("{duplicates: keep}", "duplicates: has nothing to do"),
        (f"{{{KEEP}, write: {{mode: upsert}}}}", "duplicates: keep has rows of the same time and tags"),
        ("{rename: {a: b, c: b}}", "rename: gives a and c the same name, b"),
        ("{rename: {a: time}}", "rename.a: gives a column the name time, which the time has already"),
        ("{rename: {a: time_ns}}", "rename.a: is time_ns, and so is another column"),
        ("{rename: [a]}", "rename: must hold entries"),
        ("{prefix: tag_}", "prefix: must hold options"),
        ("{prefix: {tag: x}}", "prefix.tag: unknown option (did you mean tags?)"),
        ("{types: {a: integer}}", "types.a: 'integer' is not one of boolean"),
        ("{types: {a: 'decimal(50, 2)'}}", "types.a: 'decimal(50, 2)' is not a decimal"),
        ("{types: {a: long}, formats: {a: '%Y'}}", "formats.a: '%Y' does not show how a number is written"),
        ("{formats: {a: '%Y'}}", "formats.a: says how a is written, and `types` makes nothing else of it"),
        ("{types: {a: boolean}, formats: {a: yes}}", "formats.a: 'yes' does not say the words"),
        ("{types: {a: date}, formats: {a: '%Q'}}", "formats.a: '%Q' is not how times are written"),
        ("{on_cast_error: ignore}", "on_cast_error: 'ignore' is not one of fail, null, quarantine"),
        ("{map: {a: {}}}", "map.a: maps nothing"),
        ("{map: {a: {b: [1]}}}", "map.a.b: must be a text"),
        ("{map: {time: {a: b}}}", "map.time: names time, which is not a tag or a field"),
        ("{rename: {time: ts}, map: {ts: {a: b}}}", "map.ts: names ts, which is not a tag or a field"),
        ("{constants: {x: a}, map: {x: {a: b}}}", "map.x: names x, which is not a tag or a field"),
        ("{computed: {x: a}, map: {x: {a: b}}}", "map.x: names x, which is not a tag or a field"),
        ("{rename: {a: b}, map: {a: {x: y}}}", "map.a: names a, which is called b in the table: write b"),
        ("{computed: {x: a +}}", "computed.x: 'a +' is not a SQL"),
        ("{computed: {x: '#1 + 1'}}", "computed.x: holds the number of a column"),
        ("{computed: {x: sum(a)}}", "computed.x: counts rows together (sum)"),
        ("{computed: {x: row_number() over ()}}", "computed.x: holds a window function"),
        ("{computed: {x: (select 1)}}", "computed.x: holds a query of its own"),
        ("{computed: {x: now()}}", "computed.x: depends on more than the row (now)"),
        ("{computed: {x: vector_type(a)}}", "computed.x: depends on more than the row (vector_type)"),
        ("{computed: {x: \"read_text('/etc/passwd')\"}}", "computed.x: calls read_text, which DuckDB does not have"),
        ("{computed: {x: y + 1, y: a}}", "computed.x: is computed from y, which stands below it"),
        ("{computed: {x: x + 1}}", "computed.x: is computed from itself"),
        ("{computed: {time: a}}", "computed.time: gives a column the name time"),
        ("{rename: {a: b}, computed: {x: a + 1}}", "computed.x: names a, which is called b in the table"),
        ("{constants: {x: [1]}}", "constants.x: must be a text"),
        ("{constants: {x: a}, computed: {x: '1'}}", "computed.x: gives a column the name x, which constants->x has"),
        ("{metadata_columns: [measuremnt]}", "'measuremnt' is not one of measurement"),
        ("{metadata_columns: measurement}", "metadata_columns: 'measurement' is a list"),
        ("{metadata_columns: {x: nosuch}}", "metadata_columns.x: 'nosuch' is not one of measurement"),
        ("{metadata_columns: {x: source}, types: {x: long}}", "types.x: names x, a metadata column"),
        ("{where: 1 = 1}", "where: names no column"),
        ("{where: sum(a) > 1}", "where: counts rows together (sum)"),
        ("{where: a > now()}", "where: depends on more than the row (now)"),
        ("{rename: {a: b}, where: a > 1}", "where: names a, which is called b in the table: write b"),
        ("{rename: {a: b}, write: {sort_by: [a]}}", "write.sort_by: names a, which is called b in the table"),
        ("{rename: {a: b}, iceberg_partition: [a]}", "iceberg_partition: names a, which is called b in the table"),
        ("{rename: {time: ts}, iceberg_partition: [day(time)]}", "iceberg_partition: names time, which is called ts"),
    ],
)
def test_invalid_values_are_refused_with_their_place(
    entry: str, said: str, mistakes_of: Callable[..., list[str]]
) -> None:
    [mistake] = mistakes_of(f"measurements:\n  cpu: {entry}\n")
    assert said in mistake
    assert mistake.startswith("lake.yaml:3: measurements.cpu.")


def options_of(folder: Path, entry: str) -> Measurement:
    file = folder / "lake.yaml"
    file.write_text(f"sources: {{default: {{host: h, database: d}}}}\nmeasurements: {{cpu: {entry}}}\n")
    [found] = load_lake(file).measurements
    return found


def test_null_is_a_word_of_on_cast_error(tmp_path: Path) -> None:
    assert options_of(tmp_path, "{on_cast_error: null}").transforms.on_cast_error is OnCastError.NULL


def test_labels_stand_beside_the_tags_that_are_read(tmp_path: Path) -> None:
    of = options_of(tmp_path, "{tags: {exclude: [host], tier: gold}, duplicates: last}")
    assert of.tags == {"tier": "gold"}
    assert of.transforms.tags.exclude == ("host",)
