"""Values compared between a server and a table, without a single false alarm and to the last bit that counts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from influx_lake.config import InfluxDB3Config
from influx_lake.config.values.read_options import ReadingOptions
from influx_lake.config.values.windows import Every, Scheme, Window, parse_moment
from influx_lake.sandbox import Sandbox
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake.sources.profile import read_profiles, scale_for
from influx_lake.sources.reliable import ReliableSource
from influx_lake.sources.reliable.limits import ServerLimits
from influx_lake_tests.integration.cli_lake import DAY_NS, FIRST_DAY_NS, LAKE, CliLake

DAYS = Scheme(Every.DAY, parse_moment("2026-01-01"))
WINDOWS = list(DAYS.windows(DAYS.start, parse_moment("2026-01-04")))
finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


def line(host: str, fields: str, day: float) -> str:
    return f"odd,host={host} {fields} {FIRST_DAY_NS + int(day * DAY_NS)}"


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.tuples(finite, st.integers(-(2**63), 2**63 - 1), st.booleans()), min_size=1, max_size=8))
def test_a_server_and_its_rows_have_the_same_profile(box: Sandbox, values: list[tuple[float, int, bool]]) -> None:
    name = f"m{uuid.uuid4().hex}"
    lines = [
        f'{name},host=h{number} f={value!r},i={whole}i,u={abs(whole) % 2**63 + number}u,b={flag},s="a\'{number}ö" '
        f"{FIRST_DAY_NS + number * DAY_NS // 5 + number}"
        for number, (value, whole, flag) in enumerate(values)
    ]
    lines.append(f"{name} i=1i {FIRST_DAY_NS - 1}")
    box.write("telemetry", "\n".join(lines))
    source = InfluxDB3Source(InfluxDB3Config(host=box.url, database="telemetry", token=box.token))
    schema, scales = source.schema(name), {"f": scale_for(max(abs(value) for value, _, _ in values))}
    windows = [Window(parse_moment("2025-12-31"), WINDOWS[0].start), *WINDOWS]
    assert source.profiles(schema, windows, scales) == read_profiles(source, schema, windows, scales)
    source.close()


@pytest.mark.parametrize("limit", [100, 30])
def test_what_is_too_much_for_the_server_is_asked_for_in_parts(box: Sandbox, limit: int) -> None:
    step = DAY_NS // 48
    box.write("telemetry", "\n".join(f"long v={n}.5 {FIRST_DAY_NS + n * step}" for n in range(144)))
    source = ReliableSource(
        InfluxDB3Source(InfluxDB3Config(host=box.url, database="telemetry", token=box.token)),
        ReadingOptions(),
        ServerLimits(),
    )
    schema = source.schema("long")
    expected = read_profiles(source, schema, WINDOWS, {})
    box.faults.update(file_limit=limit)
    try:
        assert source.profiles(schema, WINDOWS, {}) == expected
    finally:
        box.faults.clear()
        source.close()


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.write_config(
            LAKE.replace(
                "cpu: {{}}\n  mem: {{}}", "odd: {{column_names: snake, reconcile: off, on_changed_values: load}}"
            )
        )
        rows = [
            line(f"h{number}", f'Big={number * 1e15 + 0.1},smallOne={number}e-9,n={number}i,t="x{number}"', day + 0.3)
            for day in range(3)
            for number in range(20)
        ]
        lake.box.write("telemetry", "\n".join([*rows, line("ns", "Big=1", 1.5 + 1e-12)]))
        lake.tell("replicate", "--all", "--end", "2026-01-04")
        yield lake


def verified(lake: CliLake) -> list[tuple[str, list[str]]]:
    result = lake.tell("verify", "--profile", "--end", "2026-01-04", "--json").object
    return [(each["window"][:10], each["changed_columns"]) for each in result["measurements"][0]["differing"]]


def test_an_equal_lake(lake: CliLake) -> None:
    assert verified(lake) == []
    assert lake.tell("verify", "--profile", "--end", "2026-01-04").code == 0


@pytest.mark.parametrize(
    ("fields", "columns"),
    [
        ("Big=3000000000000000.5", ["big"]),
        *(
            pytest.param(fields, columns, marks=pytest.mark.slow)
            for fields, columns in (
                ("smallOne=3.0000001e-9", ["small_one"]),
                ("n=4i", ["n"]),
                ('t="y12345"', ["t"]),
                ("later=1i", ["later"]),
            )
        ),
    ],
)
def test_a_value_that_changed(lake: CliLake, fields: str, columns: list[str]) -> None:
    lake.box.write("telemetry", line("h3", fields, 1.3))
    assert lake.tell("verify", "--end", "2026-01-04").code == 0
    assert verified(lake) == [("2026-01-02", columns)]
    assert (
        f"other values in {columns[0]}: load the window again"
        in lake.tell("verify", "--profile", "--end", "2026-01-04").out
    )
    lake.tell("replicate", "odd", "--start", "2026-01-02", "--end", "2026-01-03")
    assert verified(lake) == []
