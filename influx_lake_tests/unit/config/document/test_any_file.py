"""Whatever the file holds, it is a lake or a list of mistakes, and soon."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from influx_lake.config import load_lake
from influx_lake.config.document import reading
from influx_lake.errors import ConfigurationError
from influx_lake_tests.unit.config.conftest import LakeWriter


def test_aliases_that_multiply_end(mistakes_of: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_ENTRIES", 5_000)
    bomb = "a0: &a0 [x, x]\n" + "".join(
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 9)
    )
    found = mistakes_of(bomb)
    assert any("aliases multiply each other" in line for line in found)


@pytest.mark.slow
def test_a_thousand_measurements_load_in_a_few_times_what_parsing_their_yaml_takes(write_lake: LakeWriter) -> None:
    entries = "".join(
        f"  m{index}:\n    partition: {{every: hour}}\n    tags: {{tier: gold}}\n    write: {{compression: gzip}}\n"
        for index in range(1000)
    )
    path = write_lake("defaults: {partition: {start: 2026-01-01}}\nmeasurements:\n" + entries, sources=True)
    code = (
        "import pathlib, time, yaml, influx_lake.config as c\n"
        f"began = time.process_time(); lake = c.load_lake({str(path)!r}); loaded = time.process_time()\n"
        f"yaml.compose(pathlib.Path({str(path)!r}).read_text(), yaml.CSafeLoader); parsed = time.process_time()\n"
        "print(len(lake.measurements), (loaded - began) / (parsed - loaded))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, times_the_parsing = done.stdout.split()
    assert count == "1000"
    assert float(times_the_parsing) < 15


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["${A", "${A}", "10m", "day", "*"])
)


options = st.sampled_from(
    ["host", "database", "token", "tls", "type", "partition", "every", "start", "timezone", "write", "compression",
     "compression_level", "lag", "tags", "owners", "namespace", "table", "measurement", "source", "uri", "name"]
)  # fmt: skip


trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(options | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


sections = st.sampled_from(["sources", "catalog", "defaults", "measurements", "include", "other"])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tree=st.dictionaries(
        sections, trees | st.dictionaries(st.sampled_from(["default", "cpu", "a*"]), trees, max_size=2)
    )
)
@example(tree={"catalog": {"default": ["", [""]]}})
def test_any_tree_is_a_lake_or_a_configuration_error(tree: dict[str, object], write_lake: LakeWriter) -> None:
    import yaml

    path = write_lake(yaml.safe_dump(tree, allow_unicode=True))
    try:
        lake = load_lake(path)
    except ConfigurationError:
        return
    else:
        assert lake.sources


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_a_lake_or_a_configuration_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "lake.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError):
        load_lake(path)
