"""What the commands say of a lake that has nothing for them to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from influx_lake.cli.session import Session
from influx_lake.config import load_lake
from influx_lake.errors import ConfigurationError


@pytest.mark.parametrize(
    ("measurements", "remedy"), [("{}", "List them"), ('{"x*": {}}', "run `influx-lake discover`")]
)
def test_a_lake_without_measurements_is_reported_with_its_line(tmp_path: Path, measurements: str, remedy: str) -> None:
    file = tmp_path / "lake.yaml"
    file.write_text(f'sources: {{default: {{host: "http://a", database: d}}}}\nmeasurements: {measurements}\n')
    with pytest.raises(ConfigurationError, match=r"lake.yaml:2: the lake has no measurements") as caught:
        Session(load_lake(file)).measurements(None)
    assert remedy in str(caught.value.remedy)
