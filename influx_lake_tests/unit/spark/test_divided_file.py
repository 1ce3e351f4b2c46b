"""Files in parts, each read by itself, hold what they hold when they are read in one go."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from influx_lake.config import LandingZoneConfig, LineProtocolConfig
from influx_lake.errors import LakeError
from influx_lake.sources.landing_zone import LandingZone
from influx_lake.sources.line_protocol import LineProtocolFiles
from influx_lake.sources.points.source import PointsSource
from influx_lake_tests.unit.spark.test_shuffled_points import DAY, Files, hour_folder, same_rows, sources, zone

START = int(DAY.timestamp())
SIZES = (200, 2_000)
"""Bytes of parts: some of which no record begins in, some of many records."""


def export(folder: Path, text: bytes, **options: Any) -> LineProtocolConfig:
    """A source of a single file of line protocol."""
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / "a.lp").write_bytes(text)
    given = {"type": "line_protocol", "path": [f"{folder}/in"], "database": "d", "staging": f"{folder}/own"}
    return LineProtocolConfig.model_validate({**given, **options})


def landed(folder: Path, text: bytes, form: str, **options: Any) -> LandingZoneConfig:
    """A source of a single file of JSON or CSV."""
    (hour_folder(folder, 3) / f"a.{form}").write_bytes(text)
    return zone(folder, form, late="1d", early="1d", **options)


def told(source: PointsSource, kept: Path) -> tuple[list[str], list[str]]:
    """What is said of the files, and the lines that were kept aside."""
    try:
        source.schema("cpu")
        said = [str(each) for each in source.survey().remarks]
        most = None
    except LakeError as error:
        # How many more there are is told as far as they were met.
        message = error.message.partition("; all that")[0]
        said, most = [type(error).__name__, re.sub(r"^[0-9,]+ \w+ or more", "some", message)], 1
    lines = [line for file in sorted(kept.glob("bad_lines/*")) for line in file.read_text().splitlines()]
    return [text.replace(str(kept), "") for text in said], lines[:most]


def same_words(config: Files, folder: Path, most_bytes: int) -> None:
    """Make sure that the same is said of the files as without parts."""
    own = PointsSource(LandingZone(config) if isinstance(config, LandingZoneConfig) else LineProtocolFiles(config))
    source, _, _ = sources(config, folder / "told", most_bytes)
    assert told(source, folder / "told") == told(own, config.staging)


def odd_points(chance: random.Random, count: int) -> bytes:
    """Line protocol with texts of several lines that look like points, comments and headers."""
    texts = ["plain", "a\nb", "cpu,host=x v=1i 1\ncpu v=2i 2", 'q\\"\n# DDL\n', "\n\n\n", "# CONTEXT-DATABASE: other\n"]
    lines = ["# DDL", "CREATE DATABASE d", "# DML", "# CONTEXT-DATABASE: d", "# CONTEXT-RETENTION-POLICY: autogen"]
    for number in range(count):
        time = (START + chance.randrange(86_400)) * 10**9
        lines.append(
            chance.choice(
                [
                    f"cpu,host=h{number % 3} v={number}i,f={number}.5 {time}",
                    f'cpu,host=h{number % 2},zone=a\\ b s="{chance.choice(texts)}",v={number}i {time}',
                    f"mem used={number} {time}",
                    '# a comment with a " in it',
                    "",
                ]
            )
        )
    return "\n".join(lines).encode() + b"\n"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", range(2))
def test_points_with_texts_of_several_lines(seed: int, size: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    config = export(tmp_path, odd_points(chance, 250))
    same_rows(config, "cpu", tmp_path, chance, size)
    same_words(config, tmp_path, size)


@pytest.mark.parametrize("size", SIZES)
def test_headers_in_the_midst_of_an_export(size: int, tmp_path: Path) -> None:
    chance = random.Random(5)
    text = b"".join(
        b"# CONTEXT-DATABASE: %s\n" % database + odd_points(chance, 60).partition(b"autogen\n")[2]
        for database in (b"d", b"other", b"d", b"third", b"d")
    )
    config = export(tmp_path, text)
    same_rows(config, "cpu", tmp_path, chance, size)


@pytest.mark.parametrize("allowed", [0, 3, 1_000])
@pytest.mark.parametrize("size", SIZES)
def test_bad_lines_have_the_numbers_that_they_have_in_the_file(size: int, allowed: int, tmp_path: Path) -> None:
    lines = [f"cpu,host=h{n} v={n}i {(START + n) * 10**9}" for n in range(300)]
    for place in (40, 170, 171, 290):
        lines[place] = f"cpu v={place}x"
    config = export(tmp_path, "\n".join(lines).encode() + b"\n", max_bad_lines=allowed)
    same_words(config, tmp_path, size)


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_file_that_may_have_been_cut_off(end: bytes, tmp_path: Path) -> None:
    lines = [f"cpu,host=h{n} v={n}i {(START + n) * 10**9}" for n in range(100)]
    config = export(tmp_path, "\n".join(lines).encode()[:-4] + end, max_bad_lines=1)
    same_words(config, tmp_path, 500)
    same_rows(config, "cpu", tmp_path, random.Random(1), 500)


def test_a_text_that_is_not_closed(tmp_path: Path) -> None:
    lines = [f"cpu,host=h{n} v={n}i {(START + n) * 10**9}" for n in range(300)]
    lines[100] = f'cpu s="open,v=1i {START * 10**9}'
    config = export(tmp_path, "\n".join(lines).encode() + b"\n", max_bad_lines=300)
    same_words(config, tmp_path, 900)
    same_rows(config, "cpu", tmp_path, random.Random(1), 900)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", range(2))
def test_rows_of_csv_with_quotes(seed: int, size: int, tmp_path: Path) -> None:
    chance, buffer = random.Random(seed), io.StringIO()
    rows = csv.writer(buffer, lineterminator=chance.choice(["\n", "\r\n"]))
    rows.writerow(["host", "timestamp", "v", "s"])
    texts = ["", "a,b", 'say ""x""', "two\nlines", "h1,1767312000,7,x\nh2,1767312001,8,y", "\n\n"]
    for number in range(250):
        rows.writerow([f"h{number % 3}", START + chance.randrange(86_400), number, chance.choice(texts)])
        if chance.random() < 0.02:
            rows.writerow(["host", "timestamp", "v", "s"])
        if chance.random() < 0.05:
            rows.writerow(["h", START + number, "", ""])
    config = landed(tmp_path, buffer.getvalue().encode(), "csv", tags=["host"])
    same_rows(config, "cpu", tmp_path, chance, size)
    same_words(config, tmp_path, size)


@pytest.mark.parametrize("allowed", [0, 500])
@pytest.mark.parametrize("size", SIZES)
def test_rows_of_csv_that_are_none(size: int, allowed: int, tmp_path: Path) -> None:
    lines = ["host,timestamp,v"] + [f"h{n % 3},{START + n},{n}" for n in range(300)]
    lines[90], lines[200] = "a,b", 'h1,"open'
    config = landed(tmp_path, "\n".join(lines).encode() + b"\n", "csv", tags=["host"], max_bad_lines=allowed)
    same_words(config, tmp_path, size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", range(2))
def test_documents_of_json_of_one_and_several_lines(seed: int, size: int, tmp_path: Path) -> None:
    chance, parts = random.Random(seed), []
    for number in range(250):
        record: dict[str, Any] = {
            "tags": {"host": f"h{number % 3}"},
            "fields": {"v": number, "s": chance.choice(['{"a"', "}\n{", "[", "x"])},
            "timestamp": START + chance.randrange(86_400),
        }
        if number % 9 == 0:
            record["fields"] = {}
        document = chance.choice([record, record, {"metrics": [record, record]}, [record]])
        parts.append(json.dumps(document, indent=chance.choice([None, None, 1])))
        if chance.random() < 0.05:
            parts.append(chance.choice(["", "{", '{"fields": ', "not JSON"]))
    config = landed(tmp_path, "\n".join(parts).encode() + b"\n", "json", max_bad_lines=1_000)
    same_rows(config, "cpu", tmp_path, chance, size)
    same_words(config, tmp_path, size)


def test_what_is_compressed_is_read_in_one_go(tmp_path: Path) -> None:
    lines = [f"cpu,host=h{n} v={n}i {(START + n) * 10**9}" for n in range(300)]
    config = export(tmp_path, gzip.compress("\n".join(lines).encode() + b"\n"))
    same_rows(config, "cpu", tmp_path, random.Random(1), 300)


def test_a_plain_file_is_read_once(tmp_path: Path) -> None:
    lines = [f"cpu,host=h{n} v={n}i {(START + n) * 10**9}" for n in range(1_000)]
    config = export(tmp_path, "\n".join(lines).encode() + b"\n")
    source, _, store = sources(config, tmp_path / "index", 1_000)
    source.schema("cpu")
    size = (tmp_path / "in" / "a.lp").stat().st_size
    assert store.reads == -(-size // 1_000)
