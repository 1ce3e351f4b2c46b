from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config.values.windows import EPOCH, Window
from influx_lake.sources.influxdb3 import sql

DAY = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))


def test_a_window_is_one_statement_with_literal_half_open_bounds() -> None:
    assert sql.rows("cpu", ["time", "host", "usage"], DAY) == (
        'SELECT "time", "host", "usage" FROM "cpu" '
        "WHERE \"time\" >= TIMESTAMP '2026-01-01T00:00:00.000000000Z' "
        "AND \"time\" < TIMESTAMP '2026-01-02T00:00:00.000000000Z'"
    )


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("cpu", '"cpu"'), ('o\'brien "x"', '"o\'brien ""x"""'), ("A.b c", '"A.b c"'), ('"', '""""')],
)
def test_names_are_quoted(name: str, quoted: str) -> None:
    assert sql.identifier(name) == quoted


def test_a_measurement_is_compared_as_a_literal() -> None:
    query = sql.columns('o\'brien "x"')
    assert query.statement.endswith("= 'o''brien \"x\"'")
    assert query.before_3_3.endswith("= 'o''brien \"x\"'")


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (1_767_225_600_000_000_001, "2026-01-01T00:00:00.000000001Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775804Z"),
        (2**63 + 5, "2262-04-11T23:47:16.854775804Z"),
        (-(2**63) + 2, "1677-09-21T00:12:44.000000000Z"),
        (-(2**63) - 5, "1677-09-21T00:12:44.000000000Z"),
    ],
)
def test_bounds_are_exact_to_the_nanosecond_and_within_influxdb_time(nanoseconds: int, text: str) -> None:
    assert sql.moment(nanoseconds) == f"TIMESTAMP '{text}'"


@given(st.integers(sql.EARLIEST_NS, sql.LATEST_NS))
def test_a_bound_reads_back_as_itself(nanoseconds: int) -> None:
    text = sql.moment(nanoseconds).removeprefix("TIMESTAMP '").removesuffix("Z'")
    whole, fraction = text.split(".")
    seconds = (datetime.fromisoformat(whole + "Z") - EPOCH) // timedelta(seconds=1)
    assert seconds * 10**9 + int(fraction) == nanoseconds


EARLY, LATE = datetime(1600, 1, 1, tzinfo=UTC), datetime(2300, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
AT_NOON = "TIMESTAMP '2026-01-01T12:00:00.000000000Z'"


@pytest.mark.parametrize(
    ("window", "condition"),
    [
        (Window(EARLY, LATE), ""),
        (Window(EARLY, NOON), f' WHERE "time" < {AT_NOON}'),
        (Window(NOON, LATE), f' WHERE "time" >= {AT_NOON}'),
        (Window(LATE, LATE + timedelta(days=1)), " WHERE false"),
        (Window(EARLY, EARLY + timedelta(days=1)), " WHERE false"),
    ],
)
def test_a_bound_that_influxdb_does_not_take_is_none(window: Window, condition: str) -> None:
    assert sql.row_count("cpu", window) == f'SELECT count(*) AS "rows" FROM "cpu"{condition}'
