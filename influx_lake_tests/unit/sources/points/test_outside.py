"""Points outside of a range of time are counted: every one, once, whatever file or piece of a file it is in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influx_lake.config.values.windows import EPOCH, Window
from influx_lake.sources.points import outside, staged_file
from influx_lake.sources.remarks import FindsOutside
from influx_lake_tests.unit.sources.line_files import line_source

START = datetime(2026, 1, 1, tzinfo=UTC)
REACH = Window(START, START + timedelta(seconds=100))
BEGIN = REACH.start_us // 1_000_000


def seconds(time: datetime) -> int:
    return (time - EPOCH) // timedelta(seconds=1)


@settings(max_examples=20, deadline=None)
@given(
    points=st.lists(st.tuples(st.integers(-50, 150), st.sampled_from("ab"), st.sampled_from("fg")), max_size=60),
    cut=st.integers(0, 60),
)
def test_each_point_outside_is_counted_once(
    points: list[tuple[int, str, str]], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("outside")
    lines = [f"m,host={host} {field}=1 {BEGIN + time}\n" for time, host, field in points]
    (folder / "a.lp").write_text("m,host=a f=1 " + f"{BEGIN}\n" + "".join(lines[:cut]))
    (folder / "b.lp").write_text("".join(lines[cut:]))
    there = {(time, host) for time, host, _ in points}
    before = {each for each in there if each[0] < 0}
    behind = {each for each in there if each[0] >= 100}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staged_file, "LIMITS", staged_file.Limits(run_rows=8, chunk_rows=3))
        source = line_source(folder, precision="s")
        assert isinstance(source, FindsOutside)
        found = source.outside("m", REACH)
        source.close()
    if not before | behind:
        assert found is None
        return
    assert found is not None
    assert (found.before, found.behind, found.noun, found.everything) == (len(before), len(behind), "point", False)
    times = [BEGIN + time for time, _ in before | behind]
    assert (seconds(found.first), seconds(found.last)) == (min(times), max(times))
    assert found.unit == "precision: s"


def test_all_of_them_is_what_makes_the_unit_be_looked_at(tmp_path: Path) -> None:
    (tmp_path / "a.lp").write_text(f"m f=1 {BEGIN - 1}\nm f=2 {BEGIN + 100}\nother f=1 {BEGIN}\n")
    source = line_source(tmp_path, precision="s")
    assert isinstance(source, FindsOutside)
    found = source.outside("m", REACH)
    assert found is not None
    assert (found.before, found.behind, found.everything) == (1, 1, True)
    assert source.outside("other", REACH) is None
    assert source.outside("nothing", REACH) is None
    source.close()


def test_very_many_are_not_read_to_be_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "_MOST_CELLS", 5)
    (tmp_path / "a.lp").write_text("".join(f"m f=1,g=2 {BEGIN - 50 + number}\n" for number in range(10)))
    source = line_source(tmp_path, precision="s")
    assert isinstance(source, FindsOutside)
    found = source.outside("m", REACH)
    assert found is not None
    assert (found.before, str(found), found.everything) == (20, "more than 20 values", True)
    source.close()
