"""Which files of a landing zone a window reads: by one rule, told when points or files do not keep to it."""

from __future__ import annotations

import json
import logging
import tempfile
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from influx_lake.config import LandingZoneConfig
from influx_lake.config.values.windows import Window
from influx_lake.errors import BadRecords, FileUnreadable
from influx_lake.sources import Source, open_source
from influx_lake.sources.files import FilePlace
from influx_lake.sources.landing_zone.folders import Folders, fixed_part
from influx_lake.sources.landing_zone.template import FolderTemplate
from influx_lake.sources.remarks import SurveysItself
from influx_lake_tests.unit.sources.line_files import rows_of

BY_DAY = "year={year}/month={month}/day={day}"
DECLARED = {"cpu": {"fields": {"v": "float"}}}
JUNE = datetime(2025, 6, 1, tzinfo=UTC)


def zone(folder: Path, path: str = BY_DAY, **options: Any) -> Source:
    given = {"type": "landing_zone", "path": f"{folder}/z/{path}", "database": "telemetry",
             "staging": str(folder / "staging"), **options}  # fmt: skip
    return open_source(LandingZoneConfig.model_validate(given))


def land(folder: Path, path: str, *moments: datetime) -> Path:
    """Land a point of each moment; values count them."""
    file = folder / "z" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    records = [
        {"name": "cpu", "fields": {"v": float(number)}, "timestamp": moment.timestamp()}
        for number, moment in enumerate(moments)
    ]
    file.write_text("\n".join(map(json.dumps, records)))
    return file


def day(number: int, days: float = 1) -> Window:
    return Window(JUNE + timedelta(days=number), JUNE + timedelta(days=number + days))


def hour(number: float) -> datetime:
    return JUNE + timedelta(hours=number)


TEMPLATES = {
    "{year}": ("%Y",),
    "year={year}/month={month}": ("year=%Y/month=%m", "year=%Y/month=%-m"),
    "{measurement}/{year}/{month}/{day}": ("cpu/%Y/%m/%d", "mem/%Y/%-m/%-d"),
    "{year}-{month}-{day}": ("%Y-%m-%d", "%Y-%-m-%-d"),
    "{year}/{month}{day}/{hour}": ("%Y/%m%d/%H",),
    "d{year}{month}{day}/m_{measurement}/h{hour}": ("d%Y%m%d/m_cpu/h%H", "d%Y%m%d/m_a_b/h%H"),
    "y{year}/{measurement}-{month}/{day}/{hour}": ("y%Y/a-b-%m/%d/%H", "y%Y/cpu-%-m/%-d/%-H"),
}
ZONES = ("UTC", "America/New_York", "Asia/Kathmandu", "Europe/Berlin")
lengths = st.sampled_from([timedelta(), timedelta(minutes=1), timedelta(hours=1), timedelta(days=40)])
# What a clock shows, of whatever zone.
moments = st.one_of(
    st.datetimes(datetime.fromisoformat(first), datetime.fromisoformat(last))
    for first, last in [("2024-12-30", "2026-01-02"), ("2025-10-25", "2025-11-03")]
)


@settings(max_examples=25)
@given(
    template=st.sampled_from(sorted(TEMPLATES)),
    landed=st.lists(st.tuples(moments, st.integers(0, 1), st.sampled_from(["a", "sub/b"])), max_size=12),
    zone_name=st.sampled_from(ZONES),
    early=lengths,
    late=lengths,
    start=moments,
    length=st.sampled_from([timedelta(hours=1), timedelta(days=1), timedelta(days=31), timedelta(days=500)]),
)
def test_a_window_reads_of_all_files_those_whose_time_is_near(
    template: str,
    landed: list[tuple[datetime, int, str]],
    zone_name: str,
    early: timedelta,
    late: timedelta,
    start: datetime,
    length: timedelta,
) -> None:
    own, finest = ZoneInfo(zone_name), [name for name in ("year", "month", "day", "hour") if name in template][-1]
    times: dict[str, tuple[datetime, datetime]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for wall, form, name in landed:
            forms = TEMPLATES[template]
            file = Path(folder, "z", wall.strftime(forms[form % len(forms)]), name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("{}")
            times[str(file)] = _ends(wall, finest, own)
        (Path(folder) / "z").mkdir(exist_ok=True)
        path = f"{folder}/z/{template}"
        fixed = fixed_part(path)
        folders = Folders(FolderTemplate(path[len(fixed) :]), FilePlace(fixed, {}), own, early, late)
        window = Window(start.replace(tzinfo=UTC), start.replace(tzinfo=UTC) + length)
        everything, inside = folders.all(), folders.within(window)
        of_cpu = folders.all("cpu"), folders.within(window, "cpu")
    assert everything.strays == inside.strays == []
    assert {each.file.path: each.time.start for each in everything.files} == {
        path: at for path, (at, _) in times.items()
    }
    for each in everything.files:
        # An hour that ends where one is shown twice may reach to the end of the second.
        assert each.time.end - times[each.file.path][1] in (timedelta(), timedelta(hours=1))
    near = [each for each in everything.files if _is_near(each.time, window, early, late)]
    assert inside.files == near, "in the same order, too"
    assert [each.time.start for each in near] == sorted(each.time.start for each in near)
    for some, of_it in zip((everything, inside), of_cpu, strict=True):
        assert of_it.files == [each for each in some.files if each.measurement in (None, "cpu")]
    # A point in the window that a file may hold is read.
    for each in everything.files:
        reach = folders.reach(each)
        assert (each in near) == (reach.start < window.end and reach.end > window.start)


def _is_near(time: Window, window: Window, early: timedelta, late: timedelta) -> bool:
    return time.start < window.end + late and time.end > window.start - early


@cache
def _ends(wall: datetime, finest: str, own: ZoneInfo) -> tuple[datetime, datetime]:
    """By trying: the first and the last quarter of an hour whose clock shows the folder's date."""
    form = {"year": "%Y", "month": "%Y%m", "day": "%Y%m%d", "hour": "%Y%m%d%H"}[finest]
    said, step = wall.strftime(form), timedelta(minutes=15)
    begin = datetime.strptime(said, form).replace(tzinfo=UTC)
    end = begin + timedelta(days={"year": 366, "month": 31, "day": 1, "hour": 0}[finest])
    tried = [begin + number * step for number in range(-64, 64)]
    tried += [end + number * step for number in range(-400, 64)]
    shown = [moment for moment in tried if moment.astimezone(own).strftime(form) == said]
    return min(shown), max(shown) + step


@pytest.mark.parametrize("options", [{}, {"columns": DECLARED}])
@pytest.mark.parametrize(
    "path", ["year=2025/month=6/day=1/a", "year=2025/month=06/day=01/a", "year=2025/month=6/day=01/b/c/a"]
)
def test_unpadded_and_deeper_folders_are_read(path: str, options: dict[str, Any], tmp_path: Path) -> None:
    land(tmp_path, path, JUNE)
    source = zone(tmp_path, **options)
    assert len(rows_of(source, "cpu", day(0))) == source.count("cpu", day(0)) == 1
    assert source.count("cpu", day(2)) == 0
    source.close()


@pytest.mark.parametrize("options", [{}, {"columns": DECLARED}])
@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("year=2025/month=June/day=1", "'month=June' is not like 'month=06'"),
        ("year=2025/month=13/day=1", "'month=13' is not a date"),
        ("year=2025/month=0/day=1", "'month=0' is not a date"),
        ("year=2025/month=6/day=31", "'day=31' is not a date"),
        ("year=2025/month=006/day=1", "'month=006' is not like 'month=06'"),
        ("year=25/month=06/day=1", "'year=25' is not like 'year=2025'"),
        ("year=0025/month=06/day=1", "'year=0025' is not a date"),
        ("year=__HIVE_DEFAULT_PARTITION__/month=06/day=1", "is not like 'year=2025'"),
    ],
)
def test_a_folder_that_says_no_time_is_refused(path: str, wrong: str, options: dict[str, Any], tmp_path: Path) -> None:
    land(tmp_path, "year=2025/month=06/day=01/a.json", JUNE)
    land(tmp_path, f"{path}/a.json", JUNE)
    source = zone(tmp_path, **options)
    with pytest.raises(FileUnreadable, match=wrong) as caught:
        rows_of(source, "cpu", day(0))
    assert f"Folders are expected as {tmp_path}/z/year=2025/month=06/day=01" in str(caught.value)
    source.close()


@pytest.mark.parametrize("path", ["2025/06/01/a", "year=2025/month=06/a", "year=2025/mon=06/day=01/a", "a"])
def test_files_in_other_folders_only_are_not_taken_for_none(path: str, tmp_path: Path) -> None:
    file = land(tmp_path, path, JUNE)
    source = zone(tmp_path, columns=DECLARED)
    with pytest.raises(FileUnreadable, match="is not in a folder such as year=2025/month=06/day=01") as caught:
        source.count("cpu", day(0))
    assert str(file) in str(caught.value)
    source.close()


def test_a_place_that_is_not_there_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    source = zone(tmp_path, columns=DECLARED)
    with pytest.raises(FileUnreadable, match="does not exist"):
        source.count("cpu", day(0))
    (tmp_path / "z").mkdir()
    assert source.count("cpu", day(0)) == 0
    source.close()


def test_what_lies_beside_the_folders_is_reported_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    land(tmp_path, "year=2025/month=06/day=01/a.json", JUNE)
    readme = land(tmp_path, "README", JUNE)
    land(tmp_path, "year=2025/archive/x/a.json", JUNE)
    land(tmp_path, "_temporary/0/day=01/a.json", JUNE)
    land(tmp_path, "year=2025/month=06/day=01/_temporary/a.json", JUNE)
    land(tmp_path, "year=2025/month=06/day=01/.staging/a.json", JUNE)
    source = zone(tmp_path, columns=DECLARED)
    with caplog.at_level(logging.WARNING, "influx_lake.sources"):
        assert [source.count("cpu", day(number)) for number in (-1, 0, 1)] == [0, 1, 0]
    (message,) = caplog.messages
    assert "2 paths are not in a folder such as year=2025/month=06/day=01, and are not read" in message
    assert str(readme) in message
    source.close()


def test_the_file_of_the_later_folder_counts(tmp_path: Path) -> None:
    land(tmp_path, "year=2025/month=9/day=30/a.json", hour(0), hour(1), JUNE + timedelta(days=122))
    land(tmp_path, "year=2025/month=10/day=1/a.json", JUNE + timedelta(days=122))
    source = zone(tmp_path, late="1d")
    assert [row["v"] for row in rows_of(source, "cpu", day(120, 4))] == [0.0], "of October, though 10 sorts before 9"
    source.close()


def test_folders_in_local_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """New York's first of June ends four hours after UTC's."""
    for number in range(3):
        moments = [hour(24 * number + 4 + each) for each in range(24)]
        land(tmp_path, f"year=2025/month=06/day={number + 1}/a.json", *moments)
    source = zone(tmp_path)
    with caplog.at_level(logging.WARNING, "influx_lake.sources"):
        assert source.count("cpu", Window(hour(26), hour(48))) == 20, (
            "two hours of these are in the folder of the day before"
        )
    (message,) = caplog.messages
    assert "6 points of 2 files have other times than their folders say, up to 3h after it (early: 1h)" in message
    assert "Set `timezone` of the source" in message
    source.close()
    caplog.clear()
    source = zone(tmp_path, timezone="America/New_York", early="0s", late="0s")
    assert [source.count("cpu", day(number)) for number in range(4)] == [20, 24, 24, 4]
    assert caplog.messages == []
    source.close()


def test_points_before_their_folders_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    land(tmp_path, "year=2025/month=06/day=01/a.json", hour(-30), hour(-0.5), hour(3))
    file = land(tmp_path, "year=2025/month=06/day=02/a.json", hour(-0.5), hour(30))
    source = zone(tmp_path, columns=DECLARED)
    with caplog.at_level(logging.WARNING, "influx_lake.sources"):
        for _ in range(2):
            assert source.count("cpu", day(0)) == 1
        assert source.count("cpu", day(-1)) == 1
    (message,) = caplog.messages
    assert "2 points of 2 files have other times than their folders say, up to 1d6h before that time" in message
    assert "raise its `late`" in message
    file.unlink()
    source.close()


def test_points_that_land_early_are_looked_for_as_long_as_is_configured(tmp_path: Path) -> None:
    land(tmp_path, "year=2025/month=06/day=01/a.json", hour(24.5), hour(27))
    for early, expected in [("0s", 0), ("1h", 2), ("4h", 2)]:
        source = zone(tmp_path, early=early)
        assert source.count("cpu", day(1)) == expected
        source.close()


def test_a_survey_says_what_the_files_hold(tmp_path: Path) -> None:
    for number in range(30):
        land(tmp_path, f"year=2025/month=06/day={number + 1:02}/a.json", hour(24 * number), hour(24 * number + 1))
    source = zone(tmp_path)
    assert isinstance(source, SurveysItself)
    survey = source.survey()
    assert survey.times == {"cpu": (JUNE, hour(24 * 29 + 1))}
    assert (survey.looked_at, survey.files, survey.remarks) == (30, 30, [])
    source.close()
    source = zone(tmp_path, columns=DECLARED)
    assert isinstance(source, SurveysItself)
    assert (source.survey().looked_at, source.survey().times) == (20, survey.times)
    source.close()


def test_a_time_zone_is_one(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"is not a time zone.*Berlin"):
        zone(tmp_path, timezone="Europe/Berln")


def test_files_of_other_measurements_are_not_read(tmp_path: Path) -> None:
    land(tmp_path, "cpu/2025/06/01/a.json", JUNE)
    (tmp_path / "z/mem/2025/06/01").mkdir(parents=True)
    (tmp_path / "z/mem/2025/06/01/a.json").write_text("{ is being written")
    source = zone(tmp_path, "{measurement}/{year}/{month}/{day}")
    assert source.measurements() == ["cpu", "mem"]
    assert len(rows_of(source, "cpu", day(0))) == 1
    with pytest.raises(BadRecords, match="mem/2025"):
        source.schema("mem")
    source.close()
