"""What Telegraf 1.39.3 lands, and what becomes of it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from influx_lake.config import LandingZoneConfig, LineProtocolConfig
from influx_lake.config.values.windows import Window
from influx_lake.errors import BadRecords
from influx_lake.sources import Source, open_source
from influx_lake.sources.remarks import SurveysItself
from influx_lake_tests.integration.sources.files.telegraf import run_telegraf
from influx_lake_tests.unit.sources.line_files import rows_of

pytestmark = pytest.mark.servers

JUNE = 1748736000
DAY = Window(datetime.fromtimestamp(JUNE, UTC), datetime.fromtimestamp(JUNE, UTC) + timedelta(days=1))
LINES = f"""\
cpu,host=a usage=1.5,n=3i,u=18446744073709551615u,up=true,s="x" {JUNE}123456789
cpu,host=a usage=2,n=4i {JUNE}623456789
cpu usage=0,up=false {JUNE + 59}900000000
mem,host=b,rack=r used=2.0 {JUNE + 60}000000000
"""
FOLDER = "z/2025/06/01"


def output(kind: str, more: str = "") -> str:
    return f'[[outputs.file]]\n  files = ["{FOLDER}/a.{kind}"]\n  data_format = "{kind}"\n{more}'


def zone(folder: Path, kind: str, path: str = "z/{year}/{month}/{day}", **options: Any) -> Source:
    given = {"type": "landing_zone", "path": f"{folder}/{path}", "format": kind, "database": "telemetry",
             "staging": str(folder / "staging"), **options}  # fmt: skip
    return open_source(LandingZoneConfig.model_validate(given))


def remarks(source: Source) -> list[str]:
    assert isinstance(source, SurveysItself)
    return list(map(str, source.survey().remarks))


def test_json_has_all_but_the_fractions_of_seconds(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FOLDER).mkdir(parents=True)
    run_telegraf(tmp_path, LINES, output("json"))
    source = zone(tmp_path, "json")
    assert rows_of(source, "cpu", DAY) == [
        {"time": JUNE * 10**9, "host": "a", "usage": 1.5, "n": 3, "u": 2**64 - 1, "up": True, "s": "x"},
        {"time": (JUNE + 1) * 10**9, "host": "a", "usage": 2.0, "n": 4},
        {"time": (JUNE + 60) * 10**9, "usage": 0.0, "up": False},
    ]
    assert rows_of(source, "mem", DAY) == [{"time": (JUNE + 60) * 10**9, "host": "b", "rack": "r", "used": 2}]
    assert remarks(source) == caplog.messages == []
    source.close()


def test_times_that_meet_when_they_are_rounded_are_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FOLDER).mkdir(parents=True)
    lines = "".join(f"cpu,host=a usage={number} {JUNE * 10**9 + number * 10**8}\n" for number in range(5))
    run_telegraf(tmp_path, lines, output("json"))
    source = zone(tmp_path, "json")
    with caplog.at_level(logging.WARNING, "influx_lake.sources"):
        # Half a second and less is rounded down to the second.
        assert len(rows_of(source, "cpu", DAY)) == 1
    (message,) = caplog.messages
    assert "more than once, with different values of a field: 1 (" in message
    source.close()


def test_times_are_rounded_into_the_next_folder_and_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The last half second of a day becomes the first moment of the next one."""
    (tmp_path / FOLDER).mkdir(parents=True)
    run_telegraf(tmp_path, f"cpu,host=a usage=1 {JUNE + 86_399}600000000\n", output("json"))
    source = zone(tmp_path, "json")
    tomorrow = Window(DAY.end, DAY.end + timedelta(days=1))
    assert [len(rows_of(source, "cpu", window)) for window in (DAY, tomorrow)] == [0, 1]
    assert caplog.messages == []
    source.close()


def test_line_protocol_caps_unsigned_integers_unless_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FOLDER).mkdir(parents=True)
    run_telegraf(tmp_path, LINES, output("influx"))

    def source() -> Source:
        given = {"type": "line_protocol", "path": str(tmp_path / FOLDER), "database": "telemetry",
                 "staging": str(tmp_path / "staging")}  # fmt: skip
        return open_source(LineProtocolConfig.model_validate(given))

    capped = source()
    with caplog.at_level(logging.WARNING, "influx_lake.sources"):
        assert rows_of(capped, "cpu", DAY)[0]["u"] == 2**63 - 1
    (message,) = caplog.messages
    assert "1 value of 1 file are 9223372036854775807" in message
    assert "influx_uint_support = true" in message
    assert len(remarks(capped)) == 1
    capped.close()
    caplog.clear()
    (tmp_path / FOLDER / "a.influx").unlink()
    run_telegraf(tmp_path, LINES, output("influx", "  influx_uint_support = true\n"))
    whole = source()
    assert rows_of(whole, "cpu", DAY)[0]["u"] == 2**64 - 1
    assert remarks(whole) == caplog.messages == []
    whole.close()


def test_csv_of_metrics_with_other_columns_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir(parents=True)
    run_telegraf(tmp_path, LINES, output("csv", "  csv_header = true\n"))
    source = zone(tmp_path, "csv", measurement_column="measurement", tags=["host"])
    with pytest.raises(BadRecords, match="Telegraf writes the header once, with the first metric's columns"):
        rows_of(source, "cpu", DAY)
    source.close()


def test_csv_of_several_measurements_under_one_header_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the numbers of columns agree, values of one measurement stand under the names of another's."""
    (tmp_path / FOLDER).mkdir(parents=True)
    lines = f"cpu,host=a usage=1.5 {JUNE}000000000\nmem,host=b used=2.5 {JUNE}000000000\n"
    run_telegraf(tmp_path, lines, output("csv", "  csv_header = true\n"))
    source = zone(tmp_path, "csv", measurement_column="measurement", tags=["host"])
    with caplog.at_level(logging.WARNING, "influx_lake.sources"):
        assert rows_of(source, "mem", DAY) == [{"time": JUNE * 10**9, "host": "b", "usage": 2.5}]
    (message,) = caplog.messages
    assert "Several measurements share one header" in message
    source.close()


def test_csv_with_given_columns(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir(parents=True)
    columns = '  csv_header = true\n  csv_columns = ["timestamp", "name", "tag.host", "field.usage", "field.u"]\n'
    run_telegraf(tmp_path, LINES, output("csv", columns))
    source = zone(tmp_path, "csv", tags=["host"])
    assert rows_of(source, "cpu", DAY) == [
        {"time": JUNE * 10**9, "host": "a", "usage": 1.5, "u": 2**64 - 1},
        {"time": (JUNE + 1) * 10**9, "host": "a", "usage": 2.0},
        {"time": (JUNE + 60) * 10**9, "usage": 0.0},
    ]
    (remark,) = remarks(source)
    assert "1 record of 1 file has no value in any field, and is left out" in remark
    source.close()


def test_parquet_with_zeros_for_what_is_not_there_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_telegraf(tmp_path, LINES, '[[outputs.parquet]]\n  directory = "z/cpu/2025/06/01"\n  namepass = ["cpu"]\n')
    source = zone(tmp_path, "parquet", "z/{measurement}/{year}/{month}/{day}", tags=["host"], timestamp_units="ns")
    with caplog.at_level(logging.WARNING, "influx_lake.sources"):
        rows = rows_of(source, "cpu", DAY)
    assert [row.get("host") for row in rows] == ["a", "a", None], "an empty tag is none"
    assert rows[0]["u"] == 2**64 - 1
    assert rows[2]["n"] == 0, "it had none"
    (message,) = caplog.messages
    # u, up and s of the second row, and all but `up` and `usage` of the third, and these two.
    assert "8 such values of 1 file may be missing values" in message
    assert len(remarks(source)) == 1
    source.close()


def test_parquet_without_gaps_or_zeros_is_nothing_to_tell(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = f"cpu,host=a usage=1.5,n=3i {JUNE}000000000\ncpu,host=b usage=2.5,n=4i {JUNE + 1}000000000\n"
    run_telegraf(tmp_path, lines, '[[outputs.parquet]]\n  directory = "z/cpu/2025/06/01"\n')
    source = zone(tmp_path, "parquet", "z/{measurement}/{year}/{month}/{day}", tags=["host"], timestamp_units="ns")
    assert len(rows_of(source, "cpu", DAY)) == 2
    assert remarks(source) == caplog.messages == []
    source.close()
