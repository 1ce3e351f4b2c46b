"""Reconciles `write` options with table properties of the same meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from influx_lake.config.report.diagnostics import OptionMistake
from influx_lake.config.tables import table_properties as names
from influx_lake.config.tables.file_options import COMPRESSION_LEVELS, Compression, WriteOptions


class PropertyMistake(Exception):
    """A table property that contradicts a `write` option.

    Attributes:
        key: The property.
        option: The option.
    """

    def __init__(self, message: str, key: str, option: str) -> None:
        super().__init__(message)
        self.key = key
        self.option = option


def _compression(value: str) -> Compression:
    return Compression(names.codec_of(value))


SAME: dict[str, tuple[str, Callable[[str], Any]]] = {
    "compression": (names.CODEC, _compression),
    "compression_level": (names.LEVEL, int),
    "target_file_size": (names.TARGET_FILE_SIZE, int),
    "row_group_size": (names.ROW_GROUP_ROWS, int),
}
"""The `write` options with an equivalent property: its name, and the parser of its value."""


def agreed_write(write: WriteOptions, properties: Mapping[str, str]) -> WriteOptions:
    """The `write` options, completed by the equivalent properties.

    Raises:
        PropertyMistake: Both are set and differ.
    """
    options: dict[str, Any] = {}
    for option, (key, read) in SAME.items():
        if key not in properties:
            continue
        options[option] = read(properties[key])
        stated = getattr(write, option)
        if option in write.model_fields_set and stated != options[option]:
            raise PropertyMistake(
                f"says {properties[key]}, and write.{option} says {stated}: state it once", key, option
            )
    for column, is_on in names.columns_with_bloom_filter(properties).items():
        if not is_on and column in write.bloom_filter:
            key = names.BLOOM_FILTER + column
            raise PropertyMistake(
                f"says false, and write.bloom_filter names {column}: state it once", key, "bloom_filter"
            )
    return write.model_copy(update=options)


def check_write(write: WriteOptions, properties: Mapping[str, str]) -> None:
    """Check that `write` options and properties do not contradict each other.

    Raises:
        OptionMistake: They do.
    """
    try:
        agreed = agreed_write(write, properties)
    except PropertyMistake as mistake:
        locations = ("table_properties", mistake.key), ("write", mistake.option)
        raise OptionMistake(str(mistake), *locations) from None
    level, levels = agreed.compression_level, COMPRESSION_LEVELS.get(agreed.compression)
    if level is None:
        return
    if levels is None:
        message = f"{agreed.compression} has no levels: leave compression_level out"
    elif level not in levels:
        message = f"{level} is not a compression_level of {agreed.compression}, which has {levels[0]} to {levels[-1]}"
    else:
        return
    levels_of = (("write", "compression_level"), ("table_properties", names.LEVEL), ("write", "compression"))
    raise OptionMistake(message, *levels_of)
