"""The options of names and types, as lake.yaml gives them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from influx_lake.config import ColumnNames, Lake, Nanoseconds, SchemaEvolution, TimeType, TypeOptions, Unsigned


def test_what_holds_where_nothing_is_stated(lake_of: Callable[[str], Lake]) -> None:
    (cpu,) = lake_of("measurements: {cpu: {}}\n").measurements
    assert cpu.types == TypeOptions()
    assert cpu.types.nanoseconds is Nanoseconds.KEEP


def test_a_measurements_own_options_win_over_the_defaults(lake_of: Callable[[str], Lake]) -> None:
    lake = lake_of(
        """
        defaults: {nanoseconds: truncate, unsigned: long}
        measurements:
          cpu: {unsigned: refuse, time_type: timestamp, nanoseconds_column: whole}
          mem: {}
        """
    )
    cpu, mem = lake.measurements
    assert cpu.types == TypeOptions(
        nanoseconds=Nanoseconds.TRUNCATE,
        unsigned=Unsigned.REFUSE,
        time_type=TimeType.TIMESTAMP,
        nanoseconds_column="whole",
    )
    assert mem.types == TypeOptions(nanoseconds=Nanoseconds.TRUNCATE, unsigned=Unsigned.LONG)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("nanoseconds: drop", "nanoseconds: 'drop' is not one of keep, truncate, refuse"),
        ("unsigned: ulong", "unsigned: 'ulong' is not one of decimal, long, refuse"),
        ("time_type: timestamp_ns", "is not one of timestamptz, timestamp"),
        ("types: {a: text}", "types.a: 'text' is not one of boolean, int, long"),
        ("types: {a: 'decimal(39, 2)'}", "is not a decimal: its precision is 1 to 38"),
        ("types: {a: 'decimal(2, 3)'}", "is not a decimal"),
        ("types: {time: long}", "cannot say the type of `time`"),
        ("column_names: upper", "is not one of keep, lower, snake"),
        ("nanoseconds_column: time", "nanoseconds_column: 'time' is the name of the time itself"),
    ],
)
def test_mistakes(mistakes_of: Callable[[str], list[str]], options: str, said: str) -> None:
    (mistake,) = mistakes_of(f"measurements: {{cpu: {{{options}}}}}\n")
    assert said in mistake


def test_types_of_defaults_and_measurement_are_joined(lake_of: Callable[[str], Lake]) -> None:
    lake = lake_of(
        """
        defaults: {types: {a: long, b: long}}
        measurements: {cpu: {types: {b: "decimal(12,2)"}, column_names: snake, schema_evolution: full}}
        """
    )
    (cpu,) = lake.measurements
    assert cpu.types == TypeOptions(types={"a": "long", "b": "decimal(12, 2)"}, column_names=ColumnNames.SNAKE)
    assert cpu.schema_evolution is SchemaEvolution.FULL
    hash(cpu)
