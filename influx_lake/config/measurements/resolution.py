"""Resolves the options of a measurement to a `Measurement`, with defaults for everything that is not set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from influx_lake.config.connections import SourceConfig
from influx_lake.config.measurements.guards import OnChangedValues, OnShrink
from influx_lake.config.measurements.history import History
from influx_lake.config.measurements.layout_checks import check_layout, share_of
from influx_lake.config.measurements.measurement import Measurement
from influx_lake.config.measurements.offload import OffloadOptions
from influx_lake.config.measurements.options import FIRST_START, MeasurementOptions, PartitionOptions
from influx_lake.config.measurements.retention import RetentionOptions
from influx_lake.config.measurements.rollup_resolution import resolve_rollups
from influx_lake.config.measurements.streaming import stream_of
from influx_lake.config.measurements.tail import DEFAULT_LAG, TailOptions
from influx_lake.config.measurements.transform_checks import check_transforms
from influx_lake.config.measurements.windows_per_run import windows_per_run
from influx_lake.config.report.diagnostics import Location, OptionMistake
from influx_lake.config.tables.shared_tables import LONG_TABLE
from influx_lake.config.tables.types import type_options
from influx_lake.config.tables.write_modes import Publish, WriteMode
from influx_lake.config.tables.write_properties import check_write
from influx_lake.config.transforms.options import transform_options
from influx_lake.config.values.timestamps import FIRST_POINT, in_zone
from influx_lake.config.values.units import format_duration
from influx_lake.config.values.validated_names import safe_table_name
from influx_lake.config.values.windows import LONGEST, Every, Scheme, utc_text, window_of

MOST_PARTS = 1_000
"""How many parts a partition is cut into at most: each is a query, a record and a file at least."""
_NOT_IN_GROUP = re.compile(r"[^A-Za-z0-9_]")


def resolve_measurement(
    key: str,
    name: str,
    options: MeasurementOptions,
    source: str,
    config: SourceConfig,
    archives: Sequence[str] = (),
    first_point: datetime | None = None,
) -> Measurement:
    """Resolve the options of a measurement.

    Args:
        key: Its key in lake.yaml.
        name: Its name in the source.
        options: Its options.
        source: Its source.
        config: The source's configuration.
        archives: The sources with files that the source's server persisted.
        first_point: The time of its oldest point, for `partition.start: first_point`; omitted only where options are
            merely validated.

    Raises:
        OptionMistake: Options contradict each other.
    """
    check_write(options.write, options.table_properties)
    _check_mode(options)
    check_transforms(options)
    check_layout(options)
    stream = stream_of(options, source, config)
    if options.freshness is None and options.checks.freshness.enabled:
        raise OptionMistake("needs `freshness: {fail: 2h}`: how late it may be", ("checks", "freshness"))
    scheme = _scheme(options.partition, first_point if options.partition.start == FIRST_POINT else None)
    namespace = tuple((options.namespace or safe_table_name(config.database)).split("."))
    measurement = Measurement(
        key=key,
        name=name,
        source=source,
        database=config.database,
        namespace=namespace,
        table=_table(key, options),
        layout=options.layout.long,
        share=share_of(options, name),
        scheme=scheme,
        lag=options.lag,
        engine=options.engine,
        history=_history(options, scheme, source),
        tail=_tail(options),
        stream=stream,
        reconcile=None if stream == source else options.reconcile,
        iceberg_partition=options.iceberg_partition,
        write=options.write,
        table_properties=options.table_properties,
        maintenance=options.maintenance,
        types=type_options(options),
        transforms=transform_options(options),
        erased=options.erased,
        retention=_retention(options),
        proof=options.proof,
        offload=_offload(options),
        schema_evolution=options.schema_evolution,
        on_shrink=options.on_shrink,
        on_changed_values=options.on_changed_values,
        archive=_archive(options, archives),
        shrink_tolerance=options.shrink_tolerance,
        max_window_rows=options.max_window_rows,
        adopt=options.adopt,
        split=_split(options.partition),
        windows_per_run=windows_per_run(options, options.partition.every),
        freshness=options.freshness,
        checks=options.checks,
        description=options.description,
        columns=options.columns,
        owners=options.owners,
        tags=options.tags.labels,
        group=options.group or _NOT_IN_GROUP.sub("_", "_".join(namespace)),
    )
    return resolved_like(measurement, key, name, options)


def resolved_like(other: Measurement, key: str, name: str, options: MeasurementOptions) -> Measurement:
    """Decide the same as for another measurement of the same source, options and first point.

    Args:
        other: The other one, as `resolve_measurement` decided it.
        key: What it is called in the lake.
        name: What its source calls it.
        options: Their options.

    Raises:
        OptionMistake: Options contradict each other.
    """
    measurement = other.called(key, name, _table(key, options), share_of(options, name))
    if not options.rollups:
        return measurement
    return replace(measurement, rollups=resolve_rollups(measurement, options.rollups))


def _table(key: str, options: MeasurementOptions) -> str:
    return options.table or (safe_table_name(key) if options.layout.long is None else LONG_TABLE)


def _archive(options: MeasurementOptions, archives: Sequence[str]) -> str | None:
    if options.on_changed_values is not OnChangedValues.ARCHIVE:
        return archives[0] if len(archives) == 1 else None
    if options.write.mode is WriteMode.APPEND:
        raise OptionMistake(
            "archive loads a window again, and `mode: append` never does", ("on_changed_values",), ("write", "mode")
        )
    if len(archives) != 1:
        found = f"there are {', '.join(archives)}" if archives else "there is none"
        message = f"archive needs one source of type influxdb3_parquet with the same database: {found}"
        raise OptionMistake(message, ("on_changed_values",))
    return archives[0]


def _history(options: MeasurementOptions, scheme: Scheme, source: str) -> History | None:
    if options.history is None:
        return None
    if options.history.source == source:
        raise OptionMistake(f"{source!r} is the measurement's own source: name another one", ("history", "source"))
    try:
        history = History.of(options.history, scheme)
    except ValueError as error:
        raise OptionMistake(str(error), ("history", "until"), ("partition",)) from None
    if history.until <= scheme.start and options.partition.start != FIRST_POINT:
        start = utc_text(scheme.start)
        message = f"no window comes from it: the first one starts at {start}, and `until` is no later"
        raise OptionMistake(message, ("history", "until"), ("partition", "start"))
    return history


def _retention(options: MeasurementOptions) -> RetentionOptions | None:
    retention, every = options.retention, options.partition.every
    if retention is not None and retention.keep < LONGEST[every] + options.lag:
        message = f"{format_duration(retention.keep)} is over before a partition of one {every} is due"
        raise OptionMistake(message, ("retention", "keep"), ("partition", "every"), ("lag",))
    return retention


def _offload(options: MeasurementOptions) -> OffloadOptions | None:
    offload, retention = options.offload, options.retention
    if offload is not None and retention is not None and retention.keep <= offload.after:
        message = (
            f"{format_duration(offload.after)} is no earlier than the lake drops rows itself "
            f"({format_duration(retention.keep)}): what is deleted at the source would be nowhere"
        )
        raise OptionMistake(message, ("offload", "after"), ("retention", "keep"))
    return offload


def _check_mode(options: MeasurementOptions) -> None:
    upserting = options.write.mode is WriteMode.UPSERT
    if options.write.merge_fields and not upserting:
        raise OptionMistake("merge_fields is for `mode: upsert`", ("write", "merge_fields"), ("write", "mode"))
    if options.write.key and not upserting and options.on_shrink is not OnShrink.MERGE:
        message = "key is for `mode: upsert` and `on_shrink: merge`: otherwise rows are not compared"
        raise OptionMistake(message, ("write", "key"), ("write", "mode"), ("on_shrink",))
    if options.write.publish is Publish.AFTER_CHECKS:
        _check_audit(options)


def _check_audit(options: MeasurementOptions) -> None:
    """Check that `publish: after_checks` has a check that can stop a window, and no tail that would publish earlier.

    Raises:
        OptionMistake: It does not.
    """
    if not options.checks.has_audit:
        raise OptionMistake(
            "publish: after_checks needs a check that a window has to pass: one with `blocking: true`, or a rule in "
            "`checks.values`",
            ("write", "publish"),
            ("checks",),
        )
    if options.tail is not None:
        raise OptionMistake(
            "publish: after_checks is for windows that are over, and a tail shows the open one before any check",
            ("write", "publish"),
            ("tail",),
        )


def _tail(options: MeasurementOptions) -> TailOptions | None:
    """The option `tail` with its lag resolved."""
    tail, appending = options.tail, options.write.mode is WriteMode.APPEND
    if tail is not None and tail.every > LONGEST[options.partition.every]:
        given, every = format_duration(tail.every), options.partition.every
        message = f"{given} is longer than a partition of one {every}: the window would be over before its tail is"
        raise OptionMistake(message, ("tail", "every"), ("partition", "every"), ("tail",))
    if tail is None or tail.lag is None:
        decided = options.lag if appending else min(options.lag, DEFAULT_LAG)
        return tail and tail.model_copy(update={"lag": decided})
    places: tuple[Location, ...] = (("tail", "lag"), ("lag",), ("tail",))
    if appending and tail.lag != options.lag:
        message = "a tail has no lag of its own with `write.mode: append`, which never looks at a time again: use `lag`"
        raise OptionMistake(message, *places)
    if tail.lag > options.lag:
        given, own = format_duration(tail.lag), format_duration(options.lag)
        raise OptionMistake(f"the tail's lag of {given} is longer than the measurement's lag of {own}", *places)
    return tail


def _split(partition: PartitionOptions) -> timedelta | None:
    split, every = partition.split, partition.every
    if split is None:
        return None
    if split >= LONGEST[every]:
        message = f"{format_duration(split)} is no part of a partition of one {every}: give less than that"
        raise OptionMistake(message, ("partition", "split"), ("partition", "every"))
    if LONGEST[every] > split * MOST_PARTS:
        message = f"{format_duration(split)} makes more than {MOST_PARTS:,} parts of one {every}: give longer ones"
        raise OptionMistake(message, ("partition", "split"), ("partition", "every"))
    return split


@lru_cache(maxsize=256)
def _scheme(partition: PartitionOptions, first_point: datetime | None) -> Scheme:
    """The scheme of partitions; equal options give the same object."""
    every, zone = partition.every, partition.timezone
    if every is Every.HOUR and zone != "UTC":
        message = f"hours are cut in UTC, not in {zone}: give `timezone: UTC`, or partition by day, week or month"
        raise OptionMistake(message, ("partition", "timezone"), ("partition", "every"))
    if first_point is not None:
        return Scheme(every, window_of(every, zone, first_point).start, zone)
    if partition.start is None or partition.start == FIRST_POINT:
        return Scheme(every, default_start(every, zone), zone)
    start = in_zone(partition.start, zone)
    window = window_of(every, zone, start)
    if window.start != start:
        where = "" if zone == "UTC" else f" in {zone}"
        message = (
            f"the start {_written(start, zone)} ({start.astimezone(ZoneInfo(zone)):%A}) is not where a {every} starts"
            f"{where}: write {_written(window.start, zone)} or {_written(window.end, zone)}"
        )
        raise OptionMistake(message, *(("partition", option) for option in ("start", "every", "timezone")))
    return Scheme(every, start, zone)


def default_start(every: Every, zone: str) -> datetime:
    """The default start of the first partition: that of the one with the default first day."""
    return window_of(every, zone, in_zone(datetime.combine(FIRST_START, time()), zone)).start


def _written(moment: datetime, zone: str) -> str:
    """A time as it would be written for `start`."""
    local = moment.astimezone(ZoneInfo(zone))
    return local.strftime("%Y-%m-%d") if (local.hour, local.minute, local.second) == (0, 0, 0) else utc_text(moment)
