import pytest

from influx_lake.config.values.source_schema import Column, ColumnType, Role
from influx_lake.errors import UnexpectedAnswer
from influx_lake.sources.influxdb3.declared_schema import measurement_schema


def odd(what: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(what)


TIME = Column("time", Role.TIME, ColumnType.TIME)


def test_time_comes_first_then_tags_then_fields_by_name() -> None:
    columns = [("z", "float"), ("a", "integer"), ("time", "time"), ("host", "tag"), ("Az", "tag")]
    assert measurement_schema("cpu", columns, odd).columns == (
        TIME,
        Column("Az", Role.TAG, ColumnType.STRING),
        Column("host", Role.TAG, ColumnType.STRING),
        Column("a", Role.FIELD, ColumnType.INTEGER),
        Column("z", Role.FIELD, ColumnType.FLOAT),
    )


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("float", ColumnType.FLOAT),
        ("integer", ColumnType.INTEGER),
        ("uinteger", ColumnType.UINTEGER),
        ("boolean", ColumnType.BOOLEAN),
        ("string", ColumnType.STRING),
        ("Float64", ColumnType.FLOAT),
        ("Int64", ColumnType.INTEGER),
        ("UInt64", ColumnType.UINTEGER),
        ("Boolean", ColumnType.BOOLEAN),
        ("Utf8", ColumnType.STRING),
        ("Utf8View", ColumnType.STRING),
    ],
)
def test_reads_the_types_of_both_system_tables(words: str, kind: ColumnType) -> None:
    schema = measurement_schema("m", [("time", "Timestamp(Nanosecond, None)"), ("f", words)], odd)
    assert schema.columns == (TIME, Column("f", Role.FIELD, kind))


@pytest.mark.parametrize("words", ["tag", "Dictionary(Int32, Utf8)"])
def test_knows_tags(words: str) -> None:
    assert measurement_schema("m", [("time", "time"), ("t", words)], odd).tags == ("t",)


@pytest.mark.parametrize(
    ("columns", "because"),
    [
        ([("time", "time"), ("f", "Decimal128(38, 9)")], "Decimal128"),
        ([("time", "time"), ("f", "time")], "'f'"),
        ([("f", "float")], "without a time column"),
    ],
)
def test_does_not_guess(columns: list[tuple[str, str]], because: str) -> None:
    with pytest.raises(UnexpectedAnswer, match=because):
        measurement_schema("m", columns, odd)
