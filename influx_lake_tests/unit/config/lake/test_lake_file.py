"""The lake.yaml that `init` writes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from influx_lake.config import load_lake
from influx_lake.config.lake.lake_file import LakeFile, replace_text, token_reference, write_lake_file
from influx_lake.config.report.excerpts import text_mistake
from influx_lake.errors import ConfigurationError, StorageError

NAMES = ['o\'brien "x"', "a.b", "a b", "a_b", "cpu*", "[odd]", "a${b}", "yes", "1", "Größe", "x: y", "#no", "~", "a?b"]


def lake_file(*names: str, **options: object) -> LakeFile:
    source = {"type": "influxdb3", "host": "http://127.0.0.1:8181", "database": "tele-metry", **options}
    return LakeFile(source=source, start=date(2026, 3, 1), measurements=names)


def test_odd_names_come_back_and_no_two_share_a_table(tmp_path: Path) -> None:
    path = tmp_path / "lake.yaml"
    write_lake_file(path, lake_file(*NAMES))
    lake = load_lake(path)
    assert [measurement.name for measurement in lake.measurements] == NAMES
    assert lake.patterns == ()
    assert {measurement.scheme.start.date() for measurement in lake.measurements} == {date(2026, 3, 1)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(
            lambda name: text_mistake(name, given=True) is None
        ),
        unique_by=lambda name: name.strip().casefold(),
        max_size=5,
    )
)
def test_any_name_comes_back(tmp_path: Path, names: list[str]) -> None:
    path = tmp_path / "lake.yaml"
    write_lake_file(path, lake_file(*names))
    assert [measurement.name for measurement in load_lake(path).measurements] == names


def test_no_measurements_is_a_lake_too(tmp_path: Path) -> None:
    path = tmp_path / "lake.yaml"
    write_lake_file(path, lake_file())
    assert load_lake(path).measurements == ()


def test_the_token_is_a_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "apiv3_secret")
    path = tmp_path / "lake.yaml"
    write_lake_file(path, lake_file("cpu", token=token_reference("MY_TOKEN", None, tmp_path)))
    token = load_lake(path).sources["default"].token
    assert token is not None
    assert token.reveal() == "apiv3_secret"
    assert "apiv3_secret" not in path.read_text()


def test_a_token_file_below_the_lake_is_named_from_there(tmp_path: Path) -> None:
    assert token_reference("X", tmp_path / ".lake" / "token", tmp_path) == "${file:.lake/token}"
    assert token_reference("X", Path("/etc/token"), tmp_path) == "${file:/etc/token}"
    assert token_reference(None, None, tmp_path) is None


def test_what_does_not_load_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "lake.yaml"
    path.write_text("before")
    with pytest.raises(ConfigurationError):
        write_lake_file(path, lake_file("cpu", host="ftp://nowhere"))
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["lake.yaml"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        replace_text(tmp_path / "file" / "lake.yaml", "x")
