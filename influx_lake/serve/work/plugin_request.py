"""Resolves a request in the format of InfluxData's plugin to a measurement and windows, and refuses what is not
allowed.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from influx_lake.config import Lake, Measurement, SchemaEvolution
from influx_lake.config.catalogs.nested import leaves
from influx_lake.config.catalogs.options import absolute_properties, is_secret_name
from influx_lake.config.lake.serving import Replicate
from influx_lake.config.values.validated_names import safe_table_name
from influx_lake.config.values.windows import Window, parse_moment
from influx_lake.errors import ConfigurationError
from influx_lake.replication.requests.request import Runner
from influx_lake.serve.problems import Problem
from influx_lake.serve.work.undeclared_measurement import NAMESPACE, selected_columns, source_of, undeclared

if TYPE_CHECKING:
    from influx_lake.replication.requests.request import Request, RequestedWindow
    from influx_lake.session import Session

BATCH = re.compile(r"([0-9]{1,9})\s*(s|min|h|d|w)")
"""A duration in the plugin's format, as a regular expression."""
WINDOWS_AT_ONCE = 500
"""How many windows one query counts."""
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def batch_size(text: str) -> timedelta:
    """Parse a duration in the plugin's format: `30s`, `10min`, `12h`, `1d`, `2w`.

    Raises:
        ValueError: It is not in that format, or zero.
    """
    found = BATCH.fullmatch(text.strip())
    if found is None:
        raise ValueError("is not a length of time: a number and one of s, min, h, d, w, such as 12h")
    try:
        size = timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError:
        raise ValueError("is longer than time is counted") from None
    if not size:
        raise ValueError("is no time at all")
    return size


def check_request(lake: Lake, body: Mapping[str, Any]) -> Measurement | None:
    """Validate a request as far as no server has to be asked.

    Returns:
        The measurement as the lake declares it; None where it does not, and any may be asked for.

    Raises:
        Problem: The request asks for what the lake does not allow.
    """
    _check_catalog(lake, body["catalog_configs"])
    declared = _declared(lake, body)
    if declared is None:
        if lake.serve.replicate is not Replicate.ANY:
            raise Problem(
                HTTPStatus.NOT_FOUND,
                f"the lake does not declare the measurement {body['measurement']}. List it under `measurements` in "
                "lake.yaml, or let any be asked for: `serve: {replicate: any}`",
            )
        source_of(lake)
        return None
    if body["auto_update_schema"] and declared.schema_evolution is SchemaEvolution.STRICT:
        raise _forbidden(declared, "auto_update_schema", "schema_evolution: strict")
    end = parse_moment(body["backfill_end"])
    if end <= declared.scheme.start:
        raise _forbidden(declared, "backfill_end", f"a partition.start of {declared.scheme.start.isoformat()}")
    return declared


def requested_measurement(session: Session, body: Mapping[str, Any]) -> Measurement:
    """The measurement of a request: the lake's, or one made for the request.

    Raises:
        Problem: The request asks for what the lake does not allow, or for columns that are not there.
        LakeError: The source's columns cannot be read.
    """
    declared = check_request(session.lake, body)
    if declared is None:
        return undeclared(session, body)
    if body["included_fields"] or body["excluded_fields"]:
        schema = session.reliable_source(declared.source).schema(declared.name)
        chosen = declared.transforms
        own = {*chosen.fields.chosen(schema.fields), *chosen.tags.chosen(schema.tags)}
        if (others := own ^ set(selected_columns(schema, body))) != set():
            named = ", ".join(sorted(others)[:10])
            raise _forbidden(declared, "included_fields or excluded_fields", f"other columns (they differ in {named})")
    return declared


def plan_of(
    session: Session, body: Mapping[str, Any], *, whole_partitions: bool
) -> list[tuple[Measurement, list[Window]]]:
    """The windows of a request: its range cut into batches, or the partitions that overlap it.

    Raises:
        Problem: The request asks for what the lake does not allow.
        LakeError: The source cannot be read.
    """
    from influx_lake.iceberg.table_state.coverage import Coverage
    from influx_lake.replication.planning.plan import plan_windows

    measurement = requested_measurement(session, body)
    end, size = parse_moment(body["backfill_end"]), batch_size(body["batch_size"])
    start = parse_moment(body["backfill_start"]) if body["backfill_start"] else None
    if start is None:
        start = session.reliable_source(measurement.source).first_time(measurement.name)
        if start is None:
            return [(measurement, [])]
    is_declared = check_request(session.lake, body) is not None
    if is_declared:
        start = max(start, measurement.kept_since(end))
    if start >= end:
        return [(measurement, [])]
    check_count(session.lake, (end - start) / size)
    every = None if whole_partitions else size
    windows = plan_windows(measurement, Coverage(), end, start=start, end=end, every=every, only_missing=False)
    if not is_declared:
        # Nothing needs to be recorded for empty windows of a table without a schedule.
        windows = _with_rows(session, measurement, windows)
    return [(measurement, windows)]


def _with_rows(session: Session, measurement: Measurement, windows: Sequence[Window]) -> list[Window]:
    """The windows that have rows in source or table."""
    from influx_lake.iceberg.scan.reader import find_table
    from influx_lake.iceberg.scan.row_counts import count_by_window
    from influx_lake.sources.window_counts import counts_of

    source, found = session.reliable_source(measurement.source), list[Window]()
    table = find_table(session.catalog, measurement.identifier)
    for begin in range(0, len(windows), WINDOWS_AT_ONCE):
        part = windows[begin : begin + WINDOWS_AT_ONCE]
        there = counts_of(source, measurement.name, part)
        held = count_by_window(table, part, measurement.time_column) if table else [0] * len(part)
        found += [window for window, *counts in zip(part, there, held, strict=True) if any(counts)]
    return found


def check_count(lake: Lake, count: float) -> None:
    """Refuse a request with too many windows.

    Raises:
        Problem: They are too many.
    """
    if count > lake.serve.limits.windows:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{count:,.0f} windows are more than a request may have: {lake.serve.limits.windows:,} "
            "(`serve.limits.windows`). Ask for less time at once, or for longer windows",
        )


def summary(request: Request, windows: Sequence[RequestedWindow]) -> dict[str, Any]:
    """The result of a request in the plugin's format."""
    rows = sum(int((each.facts or {}).get("rows", 0)) for each in windows)
    began, body = request.began or request.created, request.body
    end = parse_moment(body["backfill_end"])
    start = parse_moment(body["backfill_start"]) if body["backfill_start"] else None
    if start is None:
        start = windows[0].window.start if windows else end
    # Runs load whole partitions; and batches without a row need no commit.
    batches = 0 if request.runner is Runner.DAGSTER else -((start - end) // batch_size(body["batch_size"]))
    seconds = ((request.ended or datetime.now(UTC)) - began).total_seconds()
    return {
        "total_batches": max(len(windows), batches),
        "execution_time_seconds": round(seconds, 2),
        "total_source_records": rows,
        "total_written_records": rows,
        "source_measurement": body["measurement"],
        "target_table": body["target_table"],
        "time_range": f"{start.isoformat()} to {end.isoformat()}",
    }


def unused_batch_size(body: Mapping[str, Any], windows: Sequence[Window]) -> list[str]:
    """The remark for a request whose batch size is not used, because runs of Dagster load whole partitions.

    Args:
        body: The request.
        windows: The windows that its runs load.
    """
    size = batch_size(body["batch_size"])
    if all(window.end - window.start == size for window in windows):
        return []
    return [
        f"batch_size ({body['batch_size']}) decides nothing: runs of Dagster load whole partitions, each in a commit, "
        "as long as `partition.every` of the measurement in lake.yaml says"
    ]


def target_table(body: Mapping[str, Any], declared: Measurement | None) -> str:
    """The table that a request writes to."""
    if declared is not None:
        return declared.table_name
    return f"{body['namespace'] or NAMESPACE}.{body['table_name'] or safe_table_name(body['measurement'])}"


def _declared(lake: Lake, body: Mapping[str, Any]) -> Measurement | None:
    """The measurement that lake.yaml declares by this name, with the requested table.

    Raises:
        Problem: lake.yaml gives it another table, or declares it several times.
    """
    named = [each for each in lake.measurements if body["measurement"] == each.name]
    if not named:
        return None
    namespace, table = body["namespace"], body["table_name"]
    fitting = [each for each in named if namespace in (None, ".".join(each.namespace)) and table in (None, each.table)]
    tables = ", ".join(each.table_name for each in named)
    if not fitting:
        requested = f"{namespace or '...'}.{table or '...'}"
        raise Problem(
            HTTPStatus.CONFLICT,
            f"the lake declares {body['measurement']} with the table {tables}, not {requested}. Leave namespace and "
            "table_name out, or change its declaration in lake.yaml",
            measurement=body["measurement"],
        )
    if len(fitting) > 1:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"the lake declares {body['measurement']} several times: say by namespace and table_name which of {tables}",
            measurement=body["measurement"],
        )
    return fitting[0]


def _check_catalog(lake: Lake, properties: Mapping[str, Any]) -> None:
    """Refuse any catalog but the lake's: only its operator decides which servers are contacted.

    Raises:
        Problem: A property is not the lake's.
    """
    try:
        own = lake.catalog.properties()
    except ConfigurationError as error:
        raise Problem(HTTPStatus.INTERNAL_SERVER_ERROR, str(error)) from None
    values = {".".join(place): _as_text(value) for place, value in leaves(properties) if value is not None}
    given = absolute_properties(values, lake.root)
    differing = [name for name, value in given.items() if not _is_same(own.get(name), value)]
    if differing:
        named = ", ".join(f"{name} (a secret)" if is_secret_name(name) else name for name in sorted(differing)[:10])
        raise Problem(
            HTTPStatus.CONFLICT,
            f"catalog_configs is not the lake's catalog: {named}. Leave out what differs, or leave it empty ({{}}): "
            "tables are written to the catalog that lake.yaml declares, and to no other",
        )


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_same(own: str | None, requested: str) -> bool:
    if own is None:
        return False
    if own.lower() in ("true", "false"):
        own, requested = own.lower(), requested.lower()
    # JSON may contain lone surrogates, which no property has.
    mine, theirs = (text.rstrip("/").encode(errors="surrogatepass") for text in (own, requested))
    return hmac.compare_digest(mine, theirs)


def _forbidden(declared: Measurement, requested: str, declares: str) -> Problem:
    return Problem(
        HTTPStatus.CONFLICT,
        f"{requested} asks for more or other than the lake's declaration of {declared.name}, which has {declares}. "
        "Leave it out, or change the declaration in lake.yaml",
        measurement=declared.name,
    )
