import pyarrow as pa
import pytest

from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.errors import UnexpectedAnswer
from influx_lake.sources.influxdb3.layout import Layout

NS = pa.timestamp("ns")
DECLARED = MeasurementSchema(
    "m",
    (
        Column("time", Role.TIME, ColumnType.TIME),
        Column("host", Role.TAG, ColumnType.STRING),
        Column("value", Role.FIELD, ColumnType.INTEGER),
    ),
)


def odd(what: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(what)


def batch(time: pa.Array, host: pa.Array, value: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([time, host, value], names=["time", "host", "value"])


def plain() -> pa.RecordBatch:
    return batch(pa.array([1, 2], NS), pa.array(["a", None]), pa.array([2**63 - 1, None]))


def test_passes_the_right_types_on_without_a_copy() -> None:
    came = plain()
    layout = Layout(DECLARED, came.schema, odd)
    fitted = layout.fit(came)
    assert fitted.schema == layout.schema
    assert layout.schema == pa.schema(
        [pa.field("time", NS, nullable=False), pa.field("host", pa.string()), pa.field("value", pa.int64())]
    )
    assert fitted.column(2).buffers()[1].address == came.column(2).buffers()[1].address


@pytest.mark.parametrize("index", [pa.int8(), pa.int32(), pa.uint64()])
def test_a_dictionary_of_strings_stays_one(index: pa.DataType) -> None:
    tags = pa.DictionaryArray.from_arrays(pa.array([0, None], index), pa.array(["a"]))
    came = batch(pa.array([1, 2], NS), tags, pa.array([1, 2]))
    fitted = Layout(DECLARED, came.schema, odd).fit(came)
    assert fitted.column(1).type == pa.dictionary(index, pa.string())
    assert fitted.column(1).to_pylist() == ["a", None]


@pytest.mark.parametrize(
    "tags",
    [
        pa.array(["a", None], pa.large_string()),
        pa.array(["a", None], pa.string_view()),
        pa.DictionaryArray.from_arrays(pa.array([0, None], pa.int32()), pa.array(["a"], pa.large_string())),
    ],
    ids=lambda tags: str(tags.type).replace(" ", ""),
)
def test_other_strings_become_strings(tags: pa.Array) -> None:
    came = batch(pa.array([1, 2], NS), tags, pa.array([1, 2]))
    fitted = Layout(DECLARED, came.schema, odd).fit(came)
    assert fitted.column(1).type == pa.string()
    assert fitted.column(1).to_pylist() == ["a", None]


def test_coarser_times_become_nanoseconds_if_they_can() -> None:
    came = batch(pa.array([1, 2], pa.timestamp("us", "UTC")), pa.array(["a", "b"]), pa.array([1, 2]))
    assert Layout(DECLARED, came.schema, odd).fit(came).column(0).cast(pa.int64()).to_pylist() == [1000, 2000]
    late = batch(pa.array([2**62], pa.timestamp("us")), pa.array(["a"]), pa.array([1]))
    with pytest.raises(UnexpectedAnswer, match="cannot be converted"):
        Layout(DECLARED, late.schema, odd).fit(late)


def test_a_row_without_a_time_is_refused() -> None:
    came = batch(pa.array([1, None], NS), pa.array(["a", "b"]), pa.array([1, 2]))
    with pytest.raises(UnexpectedAnswer, match="have no time"):
        Layout(DECLARED, came.schema, odd).fit(came)


@pytest.mark.parametrize(
    ("fields", "because"),
    [
        ({"time": NS, "host": pa.string()}, "the columns"),
        ({"time": NS, "host": pa.string(), "valu": pa.int64()}, "'valu'"),
        ({"time": NS, "value": pa.int64(), "host": pa.string()}, "the columns"),
        ({"time": NS, "host": pa.string(), "value": pa.float64()}, "'value' is declared integer, but is double"),
        ({"time": NS, "host": pa.int64(), "value": pa.int64()}, "'host'"),
        ({"time": pa.int64(), "host": pa.string(), "value": pa.int64()}, "'time'"),
        ({"time": pa.timestamp("ns", "Europe/Berlin"), "host": pa.string(), "value": pa.int64()}, "'time'"),
        ({"time": NS, "host": pa.dictionary(pa.int32(), pa.int64()), "value": pa.int64()}, "'host'"),
        ({"time": NS, "host": pa.string(), "value": pa.int32()}, "'value'"),
        ({"time": NS, "host": pa.string(), "value": pa.uint64()}, "'value'"),
    ],
)
def test_other_columns_or_types_are_refused(fields: dict[str, pa.DataType], because: str) -> None:
    with pytest.raises(UnexpectedAnswer, match=because):
        Layout(DECLARED, pa.schema(fields), odd)
