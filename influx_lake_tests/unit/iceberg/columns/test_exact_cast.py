"""A cast that was asked for keeps every value, or is refused."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.errors import DataRefused, SchemaConflict
from influx_lake.iceberg.columns.exact_cast import check_cast, exact_cast


def cast(values: list[Any], here: pa.DataType, there: pa.DataType) -> list[Any]:
    check_cast("value", here, there)
    made: list[Any] = exact_cast("value", pa.array(values, here), there).to_pylist()
    return made


@pytest.mark.parametrize(
    ("here", "there", "values", "expected"),
    [
        (pa.float64(), pa.int64(), [3.0, None, -(2.0**53)], [3, None, -(2**53)]),
        (pa.float64(), pa.float32(), [0.5, math.inf], [0.5, math.inf]),
        (pa.float64(), pa.decimal128(10, 2), [19.99, 1e3], [Decimal("19.99"), Decimal(1000)]),
        (pa.float64(), pa.string(), [0.1, -0.0], ["0.1", "-0"]),
        (pa.int64(), pa.int32(), [2**31 - 1], [2**31 - 1]),
        (pa.int64(), pa.float64(), [2**53], [2.0**53]),
        (pa.int64(), pa.decimal128(6, 2), [1234], [Decimal(1234)]),
        (pa.int64(), pa.string(), [-5], ["-5"]),
        (pa.uint64(), pa.decimal128(38, 0), [2**64 - 1], [Decimal(2**64 - 1)]),
        (pa.uint64(), pa.int64(), [2**63 - 1], [2**63 - 1]),
        (pa.bool_(), pa.int32(), [True, False], [1, 0]),
        (pa.bool_(), pa.string(), [True], ["true"]),
        (pa.string(), pa.int64(), ["42", None], [42, None]),
        (
            pa.dictionary(pa.int32(), pa.string()),
            pa.decimal128(5, 1),
            ["1.5", None, "1.5"],
            [Decimal("1.5"), None, Decimal("1.5")],
        ),
    ],
)
def test_values_that_fit(here: pa.DataType, there: pa.DataType, values: list[Any], expected: list[Any]) -> None:
    assert cast(values, here, there) == expected


@pytest.mark.parametrize(
    ("here", "there", "value"),
    [
        (pa.float64(), pa.int64(), 0.5),
        (pa.float64(), pa.int64(), 2.0**63),
        (pa.float64(), pa.int64(), math.nan),
        (pa.float64(), pa.int64(), -0.0),
        (pa.float64(), pa.float32(), 0.1),
        (pa.float64(), pa.float32(), 1e300),
        (pa.float64(), pa.decimal128(10, 2), 0.125),
        (pa.float64(), pa.decimal128(10, 2), -0.0),
        (pa.float64(), pa.decimal128(4, 2), 100.0),
        (pa.float64(), pa.decimal128(10, 2), math.inf),
        (pa.int64(), pa.int32(), 2**31),
        (pa.int64(), pa.float64(), 2**53 + 1),
        (pa.int64(), pa.decimal128(4, 2), 100),
        (pa.uint64(), pa.int64(), 2**63),
        (pa.string(), pa.int64(), "4.5"),
        (pa.string(), pa.decimal128(5, 1), "1.55"),
        (pa.string(), pa.bool_(), "maybe"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_named(here: pa.DataType, there: pa.DataType, value: Any) -> None:
    with pytest.raises(DataRefused, match="column 'value' holds a value that"):
        cast([value], here, there)


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (pa.int64(), pa.bool_()),
        (pa.timestamp("ns"), pa.int64()),
        (pa.bool_(), pa.float64()),
    ],
)
def test_types_that_cannot_become_each_other(here: pa.DataType, there: pa.DataType) -> None:
    with pytest.raises(SchemaConflict, match="'value'"):
        check_cast("value", here, there)


FLOATS = st.floats(width=64) | st.integers(-(2**60), 2**60).map(float) | st.decimals(-999, 999, places=2).map(float)


@given(FLOATS, st.sampled_from([pa.int64(), pa.int32(), pa.float32(), pa.decimal128(12, 2), pa.string()]))
def test_a_float_comes_back_as_it_was_or_is_refused(value: float, there: pa.DataType) -> None:
    try:
        (made,) = cast([value], pa.float64(), there)
    except DataRefused:
        return
    assert repr(float(made)) == repr(value)
