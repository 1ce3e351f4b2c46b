"""What is written is what is read: any points, any names, any values."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from influxdb_client_3 import InfluxDBClient3

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.sandbox.sandbox_clients import http, rows

_text = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00\n\t\\", exclude_categories=["Cs"]), min_size=1, max_size=8
)
_name = _text.filter(lambda name: name not in ("time", "rowid") and not name.startswith("#"))
_values: dict[str, st.SearchStrategy[Any]] = {
    "float": st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    "integer": st.integers(-(2**63), 2**63 - 1),
    "uinteger": st.integers(0, 2**64 - 1),
    "boolean": st.booleans(),
    "string": st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12),
}


Point = tuple[dict[str, str], int, dict[str, Any]]


@st.composite
def _batches(draw: st.DrawFn) -> tuple[dict[str, str], list[str], list[list[Point]]]:
    """Columns with their types, tags, and requests of (tags, time, fields)."""
    names = draw(st.lists(_name, min_size=2, max_size=6, unique=True))
    split = draw(st.integers(1, len(names)))
    fields = {name: draw(st.sampled_from(sorted(_values))) for name in names[:split]}
    tags = names[split:]
    point = st.tuples(
        st.fixed_dictionaries({}, optional={tag: st.sampled_from(["a", "b c", "d,=", "é"]) for tag in tags}),
        st.one_of(st.integers(0, 5), st.integers(-(2**63), 2**63 - 1)),
        st.fixed_dictionaries({}, optional={name: _values[kind] for name, kind in fields.items()}).filter(bool),
    )
    return fields, tags, draw(st.lists(st.lists(point, min_size=1, max_size=8), min_size=1, max_size=4))


def escaped(text: str, specials: str) -> str:
    return "".join(f"\\{char}" if char in specials else char for char in text)


def literal(kind: str, value: Any) -> str:
    match kind:
        case "float":
            return repr(value)
        case "integer":
            return f"{value}i"
        case "uinteger":
            return f"{value}u"
        case "boolean":
            return str(value).lower()
        case _:
            text = value.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{text}"'


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as one:
        yield one


@pytest.fixture(scope="module")
def reader(box: Sandbox) -> Iterator[InfluxDBClient3]:
    with InfluxDBClient3(host=box.url, token=box.token, database="db") as one:
        yield one


_numbers = itertools.count()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=_batches(), suffix=_text)
def test_any_points_come_back(box: Sandbox, reader: InfluxDBClient3, content: Any, suffix: str) -> None:
    fields, tags, requests = content
    measurement = f"m{next(_numbers)}{suffix}"
    model: dict[tuple[Any, ...], dict[str, Any]] = {}
    for points in requests:
        lines = []
        for own_tags, moment, values in points:
            series = escaped(measurement, ", ") + "".join(
                f",{escaped(key, ',= ')}={escaped(value, ',= ')}" for key, value in own_tags.items()
            )
            body = ",".join(f"{escaped(name, ',= ')}={literal(fields[name], value)}" for name, value in values.items())
            lines.append(f"{series} {body} {moment}")
            key = (moment, *(own_tags.get(tag) for tag in tags))
            model.setdefault(key, {}).update(values)
        response = http(box, "POST", "/api/v3/write_lp", {"db": "db", "precision": "ns"}, "\n".join(lines).encode())
        assert response.status == 204, response.data
    quoted = measurement.replace('"', '""')
    table = reader.query(f'select * from "{quoted}"', mode="all")
    found = {}
    for row in rows(table):
        key = (row.pop("time"), *(row.pop(tag, None) for tag in tags))
        assert key not in found
        found[key] = {name: value for name, value in row.items() if value is not None}
    assert found == model
