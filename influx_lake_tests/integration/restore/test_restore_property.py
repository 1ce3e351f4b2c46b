"""Arbitrary points, from the sandbox into the lake and into another of its databases: equal, value by value."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from influx_lake.cli.entry import run
from influx_lake.restore.lines.dialect import RUST
from influx_lake.restore.lines.point_batch import PointBatch
from influx_lake.restore.lines.writer import LineWriter
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.restore.test_restored_transforms import LAKE, POINTS_OF_DAY, points_in

START_NS = 1_767_225_600 * 10**9
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12)
TAG = st.text(
    st.sampled_from("ab,= \"\\é#'") | st.characters(codec="utf-8", exclude_categories=("C",)), max_size=8
).filter(lambda text: text and not text.endswith("\\"))
TYPES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "a Float": (pa.float64(), st.floats(allow_nan=False, allow_infinity=False)),
    "int,eger": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "un=signed": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "flag": (pa.bool_(), st.booleans()),
    'te"x\\t': (pa.string(), TEXT),
}
POINT = st.tuples(
    st.integers(0, 86_400 * 10**9 - 1),
    st.none() | TAG,
    st.none() | TAG,
    st.fixed_dictionaries({}, optional={name: values for name, (_, values) in TYPES.items()}).filter(bool),
)
_numbers = itertools.count()


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


@pytest.mark.slow
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=st.lists(POINT, min_size=1, max_size=30, unique_by=lambda point: point[:3]))
def test_what_comes_back_is_what_was_there(tmp_path: Path, box: Sandbox, points: list[Any]) -> None:
    folder, name = tmp_path / str(next(_numbers)), f"m {next(_numbers)}"
    folder.mkdir()
    times, hosts, racks, fields = (list(column) for column in zip(*points, strict=True))
    batch = PointBatch(
        pa.array([START_NS + time for time in times], pa.int64()),
        {"ho st": pa.array(hosts, pa.string()), "rack": pa.array(racks, pa.string())},
        tuple((field, pa.array([each.get(field) for each in fields], kind)) for field, (kind, _) in TYPES.items()),
    )
    lines = LineWriter(name, RUST).lines(batch)
    assert not lines.faults
    box.write("telemetry", "".join(lines.texts.to_pylist()))
    config = folder / "lake.yaml"
    options = f"{{{{measurement: '{name}', table: cpu}}}}"
    catalog = "{type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}"
    config.write_text(LAKE.replace("OPTIONS", options).format(host=box.url, catalog=catalog))
    (folder / "token").write_text(str(box.token))
    assert run(["replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-02", "-c", str(config)]) == 0
    assert run(["restore", "cpu", "--to", "spare", "--batch-size", "300B", "-c", str(config)]) == 0
    found = points_in(config, "spare", name, POINTS_OF_DAY)
    assert found == points_in(config, "default", name, POINTS_OF_DAY)
    assert sum(len(each) for each in found) == sum(
        1 + (host is not None) + (rack is not None) + len(each)
        for host, rack, each in zip(hosts, racks, fields, strict=True)
    )
    floats = [struct.pack("<d", each["a Float"]) for each in fields if "a Float" in each]
    assert sorted(struct.pack("<d", float(each["a Float"][1])) for each in found if "a Float" in each) == sorted(floats)
