from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config import ColumnNames, column_name


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("cpuUsage", "cpu_usage"),
        ("CPU usage", "cpu_usage"),
        ("HTTPRequests", "http_requests"),
        ("usage_idle", "usage_idle"),
        ("a.b-c/d", "a_b_c_d"),
        ("p99Latency2", "p99_latency2"),
        ("1st", "_1st"),
        ("Größe", "größe"),
        ("__x__", "x"),
        ('"%"', "_"),
    ],
)
def test_snake(name: str, snake: str) -> None:
    assert column_name(name, ColumnNames.SNAKE) == snake


def test_lower_and_keep() -> None:
    assert column_name("Host Name.A", ColumnNames.LOWER) == "host name.a"
    assert column_name("Host Name.A", ColumnNames.KEEP) == "Host Name.A"


@given(st.text(min_size=1, max_size=12))
def test_a_name_of_a_style_stays_as_it_is(name: str) -> None:
    for style in ColumnNames:
        once = column_name(name, style)
        assert once
        assert column_name(once, style) == once
