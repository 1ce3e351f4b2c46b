"""A Telegraf configuration as a lake, for tests."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

from influx_lake.cli.telegraf.conversion import Imported, imported
from influx_lake.cli.telegraf.document import read_document

OUTPUT = """
[[outputs.influxdb]]
  urls = ["http://127.0.0.1:8086"]
"""


def lake_of(folder: Path, text: str, *, source_only: bool = False) -> Imported:
    """What a configuration is carried over as."""
    file = folder / "telegraf.conf"
    file.write_text(dedent(text))
    return imported(read_document([file]), source_only=source_only)


def options_of(folder: Path, processors: str, measurement: str = "m") -> dict[str, Any]:
    """The options of one measurement of an input whose columns are not known."""
    inputs = f'[[inputs.exec]]\nname_override = "{measurement}"\n'
    found = lake_of(folder, inputs + dedent(processors) + OUTPUT)
    assert found.left_out == ()
    assert list(found.measurements) == [measurement]
    return dict(found.measurements[measurement])
