"""The option `table_properties`: which Iceberg properties the writer honours, passes on for other
engines, or refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails

from influx_lake.config.report.diagnostics import suggestion
from influx_lake.config.tables.format_versions import FORMAT_VERSION, refusal
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.units import LARGEST, parse_number

CODEC = "write.parquet.compression-codec"
LEVEL = "write.parquet.compression-level"
TARGET_FILE_SIZE = "write.target-file-size-bytes"
ROW_GROUP_ROWS = "write.parquet.row-group-limit"
ROW_GROUP_BYTES = "write.parquet.row-group-size-bytes"
PAGE_BYTES = "write.parquet.page-size-bytes"
PAGE_ROWS = "write.parquet.page-row-limit"
DICTIONARY_BYTES = "write.parquet.dict-size-bytes"
BLOOM_FILTER = "write.parquet.bloom-filter-enabled.column."
BLOOM_FILTER_BYTES = "write.parquet.bloom-filter-max-bytes"
BLOOM_FILTER_CHANCE = "write.parquet.bloom-filter-fpp.column."
METRICS = "write.metadata.metrics.default"
METRICS_COLUMNS = "write.metadata.metrics.max-inferred-column-defaults"
METRICS_OF = "write.metadata.metrics.column."
OF_COLUMNS = (BLOOM_FILTER, BLOOM_FILTER_CHANCE, METRICS_OF)
"""The prefixes of properties whose names end in a column's name."""

_Check: TypeAlias = Callable[[str], str | None]
"""Checks a value; returns the mistake or None."""

_DIGITS = re.compile(r"0|[1-9][0-9]{0,18}")
_METRICS_MODE = re.compile(r"none|counts|full|truncate\([1-9][0-9]{0,8}\)", re.IGNORECASE)
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.+|/.*", re.DOTALL)
_CODECS = {"none": "none", "uncompressed": "none", "lz4_raw": "lz4"} | {
    name: name for name in ("snappy", "gzip", "lz4", "zstd", "brotli")
}


def codec_of(value: str) -> str:
    """The codec of a value of `write.parquet.compression-codec`.

    Raises:
        ValueError: The writer does not support it.
    """
    if value.lower() not in _CODECS:
        raise ValueError(f"is not one of {', '.join(_CODECS)}{suggestion(value, _CODECS)}")
    return _CODECS[value.lower()]


def columns_with_bloom_filter(properties: Mapping[str, str]) -> dict[str, bool]:
    """The columns whose bloom filters are set on or off."""
    return {
        key.removeprefix(BLOOM_FILTER): value.lower() == "true"
        for key, value in properties.items()
        if key.startswith(BLOOM_FILTER)
    }


def value_problem(key: str, value: str) -> str | None:
    """The mistake in a property's value; None where it is valid, or not ours to judge."""
    check = (
        _HONOURED.get(key)
        or _KEPT.get(key)
        or next((check for prefix, check in _OF_COLUMNS.items() if key.startswith(prefix)), None)
    )
    return check(value) if check else None


def key_problem(key: str) -> str | None:
    """Why a property must not be set in lake.yaml; None where it may."""
    reason = next((reason for start, reason in _REFUSED.items() if key == start or _is_below(key, start)), None)
    if reason:
        return reason
    if key in _HONOURED or any(key.startswith(prefix) and key != prefix for prefix in _OF_COLUMNS):
        return None
    known = (*_HONOURED, *(f"{prefix}NAME" for prefix in _OF_COLUMNS))
    if key.startswith(_OURS):
        return f"is no property that the lake's writer honours{suggestion(key, known)}"
    # Other engines have their own properties: only a name close to one of ours is a typo.
    guess = suggestion(key, known, least=0.9)
    return f"is no property of Iceberg{guess}" if guess else None


def _is_below(key: str, start: str) -> bool:
    return start.endswith(".") and key.startswith(start)


def _whole(least: int) -> _Check:
    def check(value: str) -> str | None:
        fits = _DIGITS.fullmatch(value) and least <= int(value) <= LARGEST
        return None if fits else f"is not a whole number of {least} or more"

    return check


def _one_of(*known: str) -> _Check:
    return lambda value: None if value in known else f"is not one of {', '.join(known)}"


def _boolean(value: str) -> str | None:
    return None if value.lower() in ("true", "false") else "is not one of true, false"


def _codec(value: str) -> str | None:
    try:
        codec_of(value)
    except ValueError as error:
        return str(error)
    return None


def _mode(value: str) -> str | None:
    return None if _METRICS_MODE.fullmatch(value) else "is not one of none, counts, truncate(16), full"


def _chance(value: str) -> str | None:
    try:
        return None if 0 < parse_number(value) < 1 else "is not between 0 and 1"
    except ValueError:
        return "is not a number between 0 and 1"


def _place(value: str) -> str | None:
    if _ABSOLUTE.fullmatch(value):
        return None
    return "is not a place of its own: write an address such as s3://bucket/folder, or an absolute path"


def _only(right: str, why: str) -> _Check:
    return lambda value: None if value.lower() == right else f"cannot be honoured: {why}"


_HONOURED: dict[str, _Check] = {
    FORMAT_VERSION: refusal,
    "write.format.default": _only("parquet", "the lake writes Parquet"),
    CODEC: _codec,
    LEVEL: _whole(0),
    TARGET_FILE_SIZE: _whole(1),
    ROW_GROUP_ROWS: _whole(1),
    ROW_GROUP_BYTES: _whole(1),
    PAGE_BYTES: _whole(1),
    PAGE_ROWS: _whole(1),
    DICTIONARY_BYTES: _whole(1),
    BLOOM_FILTER_BYTES: _whole(32),
    METRICS: _mode,
    METRICS_COLUMNS: _whole(0),
    "write.data.path": _place,
    "write.metadata.path": _place,
    "write.object-storage.enabled": _boolean,
    "write.object-storage.partitioned-paths": _boolean,
    "write.metadata.delete-after-commit.enabled": _boolean,
    "write.metadata.previous-versions-max": _whole(1),
    "write.summary.partition-limit": _whole(0),
    "commit.manifest.target-size-bytes": _whole(1),
    "commit.manifest.min-count-to-merge": _whole(1),
    "commit.manifest-merge.enabled": _boolean,
}
"""The properties that writer, commit and catalog honour."""
# Kept for other engines, which accept any number.
_KEPT: dict[str, _Check] = {
    "history.expire.max-snapshot-age-ms": _whole(1),
    "history.expire.min-snapshots-to-keep": _whole(1),
    "history.expire.max-ref-age-ms": _whole(1),
    "commit.retry.num-retries": _whole(0),
    "commit.retry.min-wait-ms": _whole(0),
    "commit.retry.max-wait-ms": _whole(0),
    "commit.retry.total-timeout-ms": _whole(0),
    "commit.status-check.num-retries": _whole(0),
    "commit.status-check.min-wait-ms": _whole(0),
    "commit.status-check.max-wait-ms": _whole(0),
    "commit.status-check.total-timeout-ms": _whole(0),
    "read.split.target-size": _whole(1),
    "read.split.metadata-target-size": _whole(1),
    "read.split.planning-lookback": _whole(1),
    "read.split.open-file-cost": _whole(0),
    "read.parquet.vectorization.enabled": _boolean,
    "read.parquet.vectorization.batch-size": _whole(1),
    "write.distribution-mode": _one_of("none", "hash", "range"),
    "write.delete.mode": _one_of("copy-on-write", "merge-on-read"),
    "write.update.mode": _one_of("copy-on-write", "merge-on-read"),
    "write.merge.mode": _one_of("copy-on-write", "merge-on-read"),
    "gc.enabled": _boolean,
}
_OF_COLUMNS: dict[str, _Check] = {BLOOM_FILTER: _boolean, BLOOM_FILTER_CHANCE: _chance, METRICS_OF: _mode}
_OURS = ("write.parquet.", "write.metadata.", "write.object-storage.", "write.data.")
"""The prefixes of properties about data files: unknown ones below them are refused."""
_RESERVED = "is what a table has, not a property that can be set"
_REFUSED = {
    "influx-lake.": "belongs to the lake itself",
    "encryption.": "cannot be honoured: the lake does not encrypt files",
    "write.object-storage.path": "is an old name: write write.data.path",
    "write.folder-storage.path": "is an old name: write write.data.path",
    **dict.fromkeys(("uuid", "snapshot-count", "current-schema", "default-partition-spec"), _RESERVED),
    **dict.fromkeys(("default-sort-order", "current-snapshot-id", "current-snapshot-summary"), _RESERVED),
    "current-snapshot-timestamp-ms": _RESERVED,
}


def _read(properties: Any) -> Any:
    """All properties as strings, with their mistakes at once."""
    if not isinstance(properties, dict):
        return properties
    read = {str(key): _text(value) for key, value in properties.items()}
    mistakes = [mistake for key, value in read.items() if (mistake := _mistake(key, value))]
    if mistakes:
        raise ValidationError.from_exception_data("table_properties", mistakes)
    return read


def _text(value: Any) -> Any:
    """A value as string: numbers and booleans as Iceberg writes them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _mistake(key: str, value: Any) -> InitErrorDetails | None:
    if reason := key_problem(key):
        return _wrong(key, key, reason)
    if not isinstance(value, str):
        return InitErrorDetails(type="string_type", loc=(key,), input=value)
    if reason := value_problem(key, value):
        return _wrong(key, value, reason)
    if key == f"{METRICS_OF}{TIME}" and value.lower() != "full":
        why = "is too little: the lake finds the files of a window by the bounds of their time, which are `full`"
        return _wrong(key, value, why)
    return None


def _wrong(key: str, shown: str, reason: str) -> InitErrorDetails:
    return InitErrorDetails(type="value_error", loc=(key,), input=shown, ctx={"error": ValueError(reason)})


TableProperties: TypeAlias = Annotated[
    dict[str, Annotated[str, WithJsonSchema({"type": ["string", "number", "boolean"]})]], BeforeValidator(_read)
]
"""Properties by their Iceberg names."""
