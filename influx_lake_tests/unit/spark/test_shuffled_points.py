"""What executors do, without Spark: files taken apart, pieces cut and put together, are the points of the files."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from influx_lake.config import LandingZoneConfig, LineProtocolConfig
from influx_lake.config.values.windows import Window
from influx_lake.errors import BadRecords, FileUnreadable
from influx_lake.sources.landing_zone import LandingZone
from influx_lake.sources.line_protocol import LineProtocolFiles
from influx_lake.sources.points import staged_file
from influx_lake.sources.points.source import PointsSource
from influx_lake.sources.points.staged_file import Unit
from influx_lake.sources.points.staging import FileTask
from influx_lake.sources.protocol import RowStream
from influx_lake.spark.divided_file import DividedFile
from influx_lake.spark.outcomes import unpacked
from influx_lake.spark.parsing import ParsedFile, parsing
from influx_lake.spark.part_tasks import slicing
from influx_lake.spark.serialization import shipped
from influx_lake.spark.shuffled_points import Declared, ShuffledPoints, units_of
from influx_lake.spark.unit_index import UnitIndexes

DAY = datetime(2026, 1, 2, tzinfo=UTC)
WINDOW = Window(DAY, DAY + timedelta(days=1))
Files = LandingZoneConfig | LineProtocolConfig


class NoSpark:
    """A `UnitStore` that takes files apart as tasks do, one after the other, and keeps their pieces."""

    def __init__(self, config: Files, folder: Path, most_bytes: int = 10**9) -> None:
        self._config = config
        self._most_bytes = most_bytes
        self._numbers = count()
        self._indexes = UnitIndexes(folder, timedelta(days=1))
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.identities: dict[str, str] = {}
        self.reads = 0

    def prepare(self, wanted: Any, *, values: bool) -> None:
        """Files are taken apart when they are asked for."""

    def unit(self, identity: str, build: FileTask) -> Unit:
        if identity not in self.rows:
            bad_file, allowed = self._indexes.bad_file(identity), self._config.max_bad_lines
            divided, rows = DividedFile.of(build, bad_file, allowed, self._most_bytes), list[dict[str, Any]]()
            while wanted := divided.to_parse(self._numbers):
                self.reads += len(wanted)
                task = parsing(shipped(self._config), [shipped(wanted)], values=True)
                made = [row for batch in task([pa.record_batch([pa.array([0])], ["id"])]) for row in batch.to_pylist()]
                divided.add_outcomes({row["file"]: unpacked(row["content"]) for row in made if row["piece"] is None})
                rows += made
            outcome = divided.outcome()
            parsed = outcome.value
            assert isinstance(parsed, ParsedFile)
            self._indexes.put_bad_lines(identity, parsed.bad_lines)
            outcome.result()
            assert parsed.index is not None
            self._indexes.put(identity, parsed.index)
            mine = divided.numbers()
            self.rows[identity] = [row for row in rows if row["piece"] is not None and row["file"] in mine]
        found = self._indexes.find(identity)
        assert found is not None
        self.identities[str(found.folder)] = identity
        return found

    def close(self) -> None:
        """Nothing is held."""


def sources(config: Files, folder: Path, most_bytes: int = 10**9) -> tuple[PointsSource, Any, NoSpark]:
    """The source as the driver has it."""
    store = NoSpark(config, folder, most_bytes)
    archive: Any = (
        LandingZone(config, store) if isinstance(config, LandingZoneConfig) else LineProtocolFiles(config, store)
    )
    return PointsSource(archive), archive, store


def shuffled_rows(
    config: Files, measurement: str, bounds: list[datetime], folder: Path, most_bytes: int = 10**9
) -> Iterator[dict[str, Any]]:
    """The rows of a window by way of pieces, slice by slice."""
    source, archive, store = sources(config, folder / "index", most_bytes)
    schema = source.schema(measurement)
    units = archive.units(WINDOW, measurement)
    keys = {key for unit in units for key in unit.measurements if key.name == measurement}
    tags, fields = source.declared(measurement)
    wanted = tuple(key for key in keys if archive.wants(key))
    declared = Declared(source.identity, wanted, tags, fields, archive.merges_numbers, 10**9)
    edges = [WINDOW.start, *bounds, WINDOW.end]
    nanoseconds = [int(each.timestamp()) * 10**9 for each in edges]
    cut: list[dict[str, Any]] = []
    for place, unit in enumerate(units):
        rows = [row for row in store.rows[store.identities[str(unit.folder)]] if row["measurement"] == measurement]
        task = slicing(dict.fromkeys((row["file"] for row in rows), place), nanoseconds)
        cut += [row for row in rows for made in task([pa.RecordBatch.from_pylist([row])]) for row in made.to_pylist()]
    for number in range(len(edges) - 1):
        pieces = sorted((row for row in cut if row["slice"] == number), key=lambda row: (row["place"], row["piece"]))
        place_of_units = folder / f"slice-{number}"
        place_of_units.mkdir()
        found = units_of(((row["place"], row["content"]) for row in pieces), declared, place_of_units)
        part = PointsSource(ShuffledPoints(declared, found))
        with part.read(schema, Window(edges[number], edges[number + 1])) as stream:
            yield from plain_rows(stream)


def plain_rows(stream: RowStream) -> Iterator[dict[str, Any]]:
    """Rows, their times in nanoseconds."""
    for batch in stream:
        yield from batch.set_column(0, "time", batch.column("time").cast(pa.int64())).to_pylist()


def own_rows(config: Files, measurement: str) -> list[dict[str, Any]]:
    source = PointsSource(LandingZone(config) if isinstance(config, LandingZoneConfig) else LineProtocolFiles(config))
    with source.read(source.schema(measurement), WINDOW) as stream:
        rows = list(plain_rows(stream))
    source.close()
    return rows


def same_rows(config: Files, measurement: str, folder: Path, chance: random.Random, most_bytes: int = 10**9) -> None:
    """Make sure that the rows are those of a load without Spark, with files in parts of some bytes."""
    hours = sorted(chance.sample(range(1, 24), chance.randrange(6)))
    bounds = [DAY + timedelta(hours=hour) for hour in hours]
    found = list(shuffled_rows(config, measurement, bounds, folder, most_bytes))
    expected = own_rows(config, measurement)

    def order(row: dict[str, Any]) -> str:
        return json.dumps(row, default=str, sort_keys=True)

    assert sorted(found, key=order) == sorted(expected, key=order)
    assert expected


def zone(folder: Path, form: str = "json", **options: Any) -> LandingZoneConfig:
    path = f"{folder}/in/{{measurement}}/{{year}}/{{month}}/{{day}}/{{hour}}"
    given = {"type": "landing_zone", "path": path, "database": "d", "format": form, "staging": str(folder / "own")}
    return LandingZoneConfig.model_validate({**given, **options})


def hour_folder(folder: Path, hour: int) -> Path:
    place = folder / "in" / (DAY + timedelta(hours=hour)).strftime("cpu/%Y/%m/%d/%H")
    place.mkdir(parents=True, exist_ok=True)
    return place


@pytest.fixture(autouse=True)
def _short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staged_file, "LIMITS", staged_file.Limits(run_rows=300, chunk_rows=40))


@pytest.mark.parametrize("seed", range(4))
def test_records_with_fields_of_several_types_and_points_that_landed_again(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    values: list[Any] = [1, 2.5, "a", "ü", True, 2**53, -1]
    for hour in range(0, 24, 4):
        for part in range(chance.randrange(1, 3)):
            records = [
                {
                    "tags": {
                        name: f"{name}{chance.randrange(3)}" for name in chance.sample("abc", chance.randrange(3))
                    },
                    "fields": {name: chance.choice(values) for name in chance.sample("uvwxyz", chance.randrange(1, 5))},
                    "timestamp": int(DAY.timestamp()) + hour * 3600 + chance.randrange(30),
                }
                for _ in range(150)
            ]
            (hour_folder(tmp_path, hour) / f"{part}.json").write_text("".join(json.dumps(r) + "\n" for r in records))
    same_rows(zone(tmp_path), "cpu", tmp_path, chance)


@pytest.mark.parametrize("seed", range(2))
def test_rows_of_parquet(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    for hour in range(0, 24, 6):
        times = [int(DAY.timestamp()) * 10**9 + hour * 3600 * 10**9 + n * 10**9 + n for n in range(200)]
        columns = {
            "timestamp": pa.array(times, pa.timestamp("ns")),
            "host": pa.array([f"h{chance.randrange(4)}" for _ in times]),
            "u": pa.array([chance.choice([None, 2**64 - 1, 0]) for _ in times], pa.uint64()),
            "s": pa.array([chance.choice([None, "x", ""]) for _ in times]),
        }
        pq.write_table(pa.table(columns), hour_folder(tmp_path, hour) / "a.parquet")
    same_rows(zone(tmp_path, "parquet", tags=["host"]), "cpu", tmp_path, chance)


@pytest.mark.parametrize("seed", range(2))
def test_points_of_an_export_of_several_databases(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    (tmp_path / "in").mkdir()
    for number in range(3):
        lines = []
        for database in ("d", "other"):
            lines.append(f"# CONTEXT-DATABASE: {database}")
            for n in range(200):
                time = int(DAY.timestamp()) * 10**9 + chance.randrange(86_400) * 10**9
                lines.append(f'cpu,host=h{n % 4} v={n}i,u={n}u,s="a\nb {n}" {time}')
                lines.append(f"mem v={n} {time}")
        (tmp_path / "in" / f"{number}.lp").write_text("\n".join(lines) + "\n")
    given = {"type": "line_protocol", "path": [f"{tmp_path}/in"], "database": "d", "staging": f"{tmp_path}/own"}
    same_rows(LineProtocolConfig.model_validate(given), "cpu", tmp_path, chance)


def test_what_cannot_be_read_fails_as_without_spark_and_is_kept_for_people(tmp_path: Path) -> None:
    file = hour_folder(tmp_path, 3) / "a.json"
    good = {"tags": {}, "fields": {"v": 1}, "timestamp": int(DAY.timestamp())}
    file.write_text(json.dumps(good) + "\n{\n")
    source, _, _ = sources(zone(tmp_path), tmp_path / "index")
    with pytest.raises(BadRecords) as caught:
        source.schema("cpu")
    own = PointsSource(LandingZone(zone(tmp_path)))
    with pytest.raises(BadRecords) as expected:
        own.schema("cpu")
    kept = next((tmp_path / "index" / "bad_lines").glob("*.jsonl"))
    assert str(kept) in str(caught.value)
    assert caught.value.message.partition("; all that")[0] == expected.value.message.partition("; all that")[0]
    assert '"line": 2' in kept.read_text()
    file.write_bytes(b"\x1f\x8b\x08")
    source, _, _ = sources(zone(tmp_path), tmp_path / "index")
    with pytest.raises(FileUnreadable, match=r"a\.json"):
        source.schema("cpu")


def test_points_outside_are_counted_where_their_values_are_not(tmp_path: Path) -> None:
    file = hour_folder(tmp_path, 3) / "a.json"
    times = [int(DAY.timestamp()) + 3 * 3600, int(DAY.timestamp()) - 10 * 86_400, int(DAY.timestamp()) + 90 * 86_400]
    file.write_text("".join(json.dumps({"fields": {"v": 1}, "timestamp": time}) + "\n" for time in times))
    source, archive, _ = sources(zone(tmp_path), tmp_path / "index")
    assert source.schema("cpu").fields == ("v",)
    archive.units(WINDOW, "cpu")
    assert source.outside("cpu", WINDOW) is not None
    own = PointsSource(LandingZone(zone(tmp_path)))
    assert [str(each) for each in source.survey().remarks] == [str(each) for each in own.survey().remarks]
    assert "2 points of 1 file" in str(source.survey().remarks)
