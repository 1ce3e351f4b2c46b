"""What the plugin leaves in its table is read as it was told."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from influx_lake.config import lake_of
from influx_lake.engine import influx_lake_changes
from influx_lake.replication.changes.change_intake import nanoseconds
from influx_lake.replication.changes.journal import ChangeJournal
from influx_lake.replication.changes.table import note_table
from influx_lake.sandbox import Sandbox
from influx_lake.sources import open_source
from testbed.processing_engine import ProcessingEngine

PLUGIN = Path(influx_lake_changes.__file__)


def test_names_with_quotes_backslashes_and_percents_are_read_as_they_are(tmp_path: Path) -> None:
    names = ['a "quoted" one', "back\\slash", '\\"', "50%22"]
    now = datetime.now(UTC)
    late = nanoseconds(now - timedelta(days=30))
    with Sandbox() as box:
        box.write("telemetry", "cpu value=1i 1")
        (tmp_path / "token").write_text(str(box.token))
        source = {
            "host": box.url,
            "database": "telemetry",
            "token": f"${{file:{tmp_path}/token}}",
            "changes": {},
            "retry": {"budget": 0},
        }
        options = {
            "sources": {"default": source},
            "catalog": {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"{tmp_path}/w"},
            "measurements": {f"m{place}": {"measurement": name} for place, name in enumerate(names)},
        }
        lake = lake_of(options, tmp_path / "lake.yaml")
        engine = ProcessingEngine(
            PLUGIN, {"database": "telemetry"}, lambda lines: box.write("telemetry", lines), quotes_first=True
        )
        engine.flush(**{name: [{"value": 1, "time": late}] for name in names})
        with closing(open_source(lake.sources["default"])) as opened:
            noted = note_table(lake, ChangeJournal.of(tmp_path), "default", opened, now)
    assert noted.unknown == frozenset()
    assert sorted(each.table for each in noted.changes) == [f"telemetry.m{place}" for place in range(len(names))]
