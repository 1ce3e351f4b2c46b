"""InfluxDB 3 Core takes corrections back: a value that the lake has is not given up for an older one unseen."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from influx_lake.cli.entry import run
from influx_lake.config import ConfigurationProblems, load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.sandbox import Sandbox
from influx_lake_tests.unit.sources.influxdb3_parquet.persisted_files import Node

DAY_NS = 1_767_225_600 * 10**9  # 2026-01-01
LAKE = """\
sources:
  default: {{host: "{url}", database: telemetry, token: "${{BOX_TOKEN}}", retry: {{budget: 0s}}}}
{more}
catalog: {{type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}}
defaults: {{partition: {{start: 2026-01-01}}{options}}}
measurements: {{cpu: {{}}}}
"""
RANGE = ["--start", "2026-01-01", "--end", "2026-01-02"]


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sandbox]:
    monkeypatch.chdir(tmp_path)
    with Sandbox() as box:
        monkeypatch.setenv("BOX_TOKEN", str(box.token))
        box.faults.stale_updates = True
        write(box, 1.0)
        write(box, 5.0, host="b")
        box.store.checkpoint()
        lake(box)
        yield box


def lake(box: Sandbox, options: str = "", more: str = "") -> Path:
    path = Path("lake.yaml")
    path.write_text(LAKE.format(url=box.url, options=f", {options}" if options else "", more=more))
    return path


def write(box: Sandbox, value: float, host: str = "a") -> None:
    box.write("telemetry", f"cpu,host={host} v={value},w=1i {DAY_NS}")


def load() -> int:
    return run(["replicate", "cpu", *RANGE])


def values() -> list[float]:
    catalog = open_catalog("lake", load_lake(Path("lake.yaml")).catalog.properties())
    return sorted(catalog.load_table(("telemetry", "cpu")).scan().to_arrow()["v"].to_pylist())


def verified(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, object]]:
    capsys.readouterr()
    code = run(["verify", "cpu", "--profile", "--json", *RANGE])
    [found] = json.loads(capsys.readouterr().out)["measurements"]
    return code, found["differing"][0] if found["differing"] else {}


def corrected(box: Sandbox) -> None:
    """The lake has the first value, then the corrected one; the server has gone back to the first."""
    assert load() == 0
    write(box, 2.0)
    assert load() == 0
    assert values() == [2.0, 5.0]
    box.store.checkpoint()


def test_verify_names_a_source_that_went_back(box: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    corrected(box)
    code, found = verified(capsys)
    assert (code, found["verdict"], found["changed_columns"]) == (1, "changed", ["v"])
    assert (found["source_rows"], found["lake_rows"]) == (2, 2)
    assert "the source shows what the lake held until" in str(found["explanation"])
    assert "so it went back" in str(found["explanation"])


@pytest.mark.parametrize("options", ["", "on_changed_values: report", "write: {mode: upsert}"])
def test_a_window_is_not_loaded_again_with_values_that_went_back(
    box: Sandbox, options: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lake(box, options)
    corrected(box)
    assert load() == 1
    captured = capsys.readouterr().err
    assert "other values in v" in captured
    assert "on_changed_values: load" in captured
    assert values() == [2.0, 5.0]


def test_it_is_loaded_again_where_that_is_configured(box: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    corrected(box)
    lake(box, "on_changed_values: load")
    code, found = verified(capsys)
    assert (code, found["explanation"]) == (1, "other values in v: load the window again")
    assert load() == 0
    assert values() == [1.0, 5.0]


def test_a_new_correction_is_loaded_and_told_of(
    box: Sandbox, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert load() == 0
    write(box, 2.0)
    code, found = verified(capsys)
    assert code == 1
    assert "it is not known whether the source has newer values" in str(found["explanation"])
    with caplog.at_level(logging.WARNING, "influx_lake.replication"):
        assert load() == 0
    assert "other values in v" in caplog.text
    assert values() == [2.0, 5.0]


@pytest.mark.slow
@pytest.mark.parametrize("options", ["", "write: {mode: upsert}"])
def test_late_points_are_loaded_and_corrected_values_are_kept(
    box: Sandbox, options: str, caplog: pytest.LogCaptureFixture
) -> None:
    lake(box, options)
    corrected(box)
    write(box, 7.0, host="c")
    for _ in range(2):
        assert load() == 0, "a late point is not kept out by what the server took back"
        assert values() == [2.0, 5.0, 7.0]
        assert "keeps its newer values" in caplog.text
    lake(box, "on_changed_values: load")
    assert load() == 0
    assert values() == [1.0, 5.0, 7.0]


def test_a_new_correction_beside_one_that_went_back_is_loaded(box: Sandbox) -> None:
    corrected(box)
    write(box, 6.0, host="b")
    write(box, 7.0, host="c")
    assert load() == 0
    assert values() == [2.0, 6.0, 7.0]


@pytest.mark.slow
def test_points_of_another_nanosecond_are_others(box: Sandbox) -> None:
    corrected(box)
    box.write("telemetry", f"cpu,host=a v=1.0,w=1i {DAY_NS + 1}")
    assert load() == 0
    assert values() == [1.0, 2.0, 5.0]


@pytest.mark.slow
def test_a_tag_that_is_missing_is_a_value_of_its_own(box: Sandbox) -> None:
    for value in (3.0, 4.0):
        box.write("telemetry", f"cpu v={value},w=1i {DAY_NS}")
        assert load() == 0
        box.store.checkpoint()
    write(box, 7.0, host="c")
    assert load() == 0
    assert values() == [1.0, 4.0, 5.0, 7.0]


def test_what_others_wrote_to_the_table_is_replaced(box: Sandbox) -> None:
    assert load() == 0
    catalog = open_catalog("lake", load_lake(Path("lake.yaml")).catalog.properties())
    table = catalog.load_table(("telemetry", "cpu"))
    rows = table.scan().to_arrow()
    place = rows.column_names.index("v")
    table.overwrite(rows.set_column(place, rows.schema.field("v"), [[9.0, 9.0]]))
    assert values() == [9.0, 9.0]
    assert load() == 0
    assert values() == [1.0, 5.0]


ARCHIVE = "  archive: {type: influxdb3_parquet, location: node0, database: telemetry, index: index}"
COLUMNS = {"time": "timestamp", "host": "tag", "v": "field::float", "w": "field::integer"}


def persisted(value: float, sequence: int, *hosts: str) -> None:
    """What the server has written to its object store."""
    rows = [{"time": DAY_NS, "host": host, "v": value, "w": 1} for host in hosts]
    Node(Path("node0")).persist(rows, sequence, columns=COLUMNS)


@pytest.mark.slow
def test_what_was_written_last_comes_from_the_archive(box: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    lake(box, "on_changed_values: archive", more=ARCHIVE)
    persisted(5.0, 1, "b")
    persisted(1.0, 2, "a")
    corrected(box)
    persisted(2.0, 3, "a")
    code, _ = verified(capsys)
    assert code == 0, "the lake has what was written last"
    assert load() == 0
    assert values() == [2.0, 5.0]
    # A correction that the lake missed while it showed.
    persisted(3.0, 4, "a")
    code, found = verified(capsys)
    assert code == 1
    assert "the archive has others, which were written later" in str(found["explanation"])
    assert load() == 0
    assert values() == [3.0, 5.0]
    assert verified(capsys)[0] == 0


@pytest.mark.slow
def test_a_correction_that_nobody_showed_comes_from_the_archive(
    box: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    lake(box, "on_changed_values: archive", more=ARCHIVE)
    persisted(5.0, 1, "b")
    persisted(1.0, 2, "a")
    assert load() == 0
    assert verified(capsys)[0] == 0
    # Not persisted yet: the source shows it, and the archive has the older one.
    write(box, 2.0)
    assert load() == 0
    assert verified(capsys)[0] == 0
    assert values() == [2.0, 5.0]
    box.store.checkpoint()
    lake(box, "on_changed_values: load", more=ARCHIVE)
    assert load() == 0
    lake(box, "on_changed_values: archive", more=ARCHIVE)
    assert values() == [1.0, 5.0]
    persisted(2.0, 3, "a")
    code, found = verified(capsys)
    assert (code, found["changed_columns"]) == (1, ["v"])
    assert "values that were written later" in str(found["explanation"])
    assert load() == 0
    assert values() == [2.0, 5.0]


@pytest.mark.slow
def test_an_archive_that_lacks_points_is_not_loaded_from(box: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    lake(box, "on_changed_values: archive", more=ARCHIVE)
    persisted(2.0, 1, "a")
    corrected(box)
    code, found = verified(capsys)
    assert code == 1
    assert "the archive archive does not have all of its points yet" in str(found["explanation"])
    assert load() == 1
    assert values() == [2.0, 5.0]


@pytest.mark.slow
def test_an_archive_tells_of_a_correction_that_the_lake_alone_saw(
    box: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    lake(box, more=ARCHIVE)
    write(box, 2.0)
    assert load() == 0
    box.store.checkpoint()
    persisted(5.0, 1, "b")
    persisted(1.0, 2, "a")
    persisted(2.0, 3, "a")
    code, found = verified(capsys)
    assert code == 1
    assert "the lake has what was persisted last, as the archive tells" in str(found["explanation"])
    assert load() == 1
    assert values() == [2.0, 5.0]


def test_an_archive_that_is_not_declared_is_refused_with_its_line(box: Sandbox) -> None:
    path = lake(box, "on_changed_values: archive")
    with pytest.raises(
        ConfigurationProblems, match=r"lake.yaml:5.*influxdb3_parquet with the same database: there is none"
    ):
        load_lake(path)
