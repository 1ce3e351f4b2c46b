"""Results of a Spark job as JSON messages from the process that drives Spark to the run."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from influx_lake import errors
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.errors import EngineError, LakeError
from influx_lake.iceberg.window_result import WindowResult

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pyiceberg.table import Table

_PLAIN = (
    "rows",
    "previous_rows",
    "snapshot_id",
    "files_added",
    "files_removed",
    "bytes_written",
    "quarantined_rows",
    "seconds",
    "read_seconds",
    "commit_seconds",
)


_PIECE = 2_000
"""The size of a piece of a message. Dagster's reader of message files (1.13.27) may read a line that is still being
written, and a line longer than a buffer is written in parts.
"""


def pieces(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Split a message into messages that are small enough for every transport."""
    text = base64.b64encode(zlib.compress(json.dumps(message).encode())).decode()
    parts = [text[begin : begin + _PIECE] for begin in range(0, len(text), _PIECE)]
    for number, part in enumerate(parts):
        yield {"number": number, "of": len(parts), "text": part}


def joined(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Join pieces to messages, in order; incomplete ones are left out."""
    found, parts = [], list[str]()
    for each in messages:
        parts = [*parts, each["text"]] if each["number"] == len(parts) else []
        if parts and len(parts) == each["of"]:
            found.append(json.loads(zlib.decompress(base64.b64decode("".join(parts)))))
            parts = []
    return found


def told(result: WindowResult) -> dict[str, Any]:
    """The result of a loaded window, as JSON."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, result.preview.schema) as writer:
        writer.write_table(result.preview)
    return {
        "window": str(result.window),
        **{name: getattr(result, name) for name in _PLAIN},
        "notes": dict(result.notes),
        "first_time": result.first_time and result.first_time.isoformat(),
        "last_time": result.last_time and result.last_time.isoformat(),
        "preview": base64.b64encode(sink.getvalue()).decode(),
        "sources": {name: list(made_of) for name, made_of in result.sources.items()},
        "schema": result.schema and _schemas().dump_python(result.schema, mode="json"),
        "declared": result.declared and _schemas().dump_python(result.declared, mode="json"),
    }


def heard(facts: Mapping[str, Any], table: Table) -> WindowResult:
    """The result that `told` encoded, with the table as it is now."""
    first, last = (facts[name] and datetime.fromisoformat(facts[name]) for name in ("first_time", "last_time"))
    schema, declared = (facts[name] and _schemas().validate_python(facts[name]) for name in ("schema", "declared"))
    return WindowResult(
        window=Window.parse(facts["window"]),
        table=table,
        notes=facts["notes"],
        first_time=first,
        last_time=last,
        preview=pa.ipc.open_stream(base64.b64decode(facts["preview"])).read_all(),
        sources={name: tuple(made_of) for name, made_of in facts["sources"].items()},
        schema=schema,
        declared=declared,
        **{name: facts[name] for name in _PLAIN},
    )


def told_error(error: LakeError) -> dict[str, Any]:
    """The error of a failed window, as JSON."""
    names = ("message", "remedy", "measurement", "window")
    return {"kind": type(error).__name__, **{name: getattr(error, name) for name in names}}


def heard_error(facts: Mapping[str, Any]) -> LakeError:
    """The error that `told_error` encoded."""
    kind = getattr(errors, facts["kind"], EngineError)
    if not (isinstance(kind, type) and issubclass(kind, LakeError)):
        kind = EngineError
    # Not by calling the class: some constructors do not take the message.
    error: LakeError = kind.__new__(kind)
    LakeError.__init__(error, facts["message"], remedy=facts["remedy"])
    return error.about(facts["measurement"], facts["window"])


@cache
def _schemas() -> TypeAdapter[MeasurementSchema]:
    from pydantic import TypeAdapter

    return TypeAdapter(MeasurementSchema)
