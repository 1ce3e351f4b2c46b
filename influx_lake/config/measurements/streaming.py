"""Validates measurements that a stream brings: the stream's source, and options that it excludes."""

from __future__ import annotations

from influx_lake.config.connections import KafkaConfig, SourceConfig
from influx_lake.config.measurements.options import MeasurementOptions
from influx_lake.config.report.diagnostics import OptionMistake
from influx_lake.config.tables.write_modes import Publish, WriteMode


def stream_of(options: MeasurementOptions, source: str, config: SourceConfig) -> str | None:
    """The source that brings a measurement's points as they come; None where none does.

    Args:
        options: The measurement's options.
        source: Its source.
        config: What that is.

    Raises:
        OptionMistake: Options contradict each other.
    """
    is_stream = isinstance(config, KafkaConfig)
    if is_stream and options.stream not in (None, source):
        message = f"{source!r} is a stream already: leave it out, or name the database as `source`"
        raise OptionMistake(message, ("stream",), ("source",))
    stream = source if is_stream else options.stream
    if stream is None:
        return None
    if options.tail is not None:
        message = "a stream brings the points of the open window: leave one of both out"
        raise OptionMistake(message, ("tail",), ("stream",))
    if options.write.mode is WriteMode.APPEND:
        message = "append never looks at a time again, and a stream adds to it: use another mode"
        raise OptionMistake(message, ("write", "mode"), ("stream",))
    if options.write.publish is Publish.AFTER_CHECKS:
        message = "publish: after_checks is for windows that are over, and a stream shows the open one before any check"
        raise OptionMistake(message, ("write", "publish"), ("stream",))
    if is_stream:
        _check_without_database(options)
    return stream


def _check_without_database(options: MeasurementOptions) -> None:
    """Check that nothing is wanted that takes a database to compare with."""
    stated = options.model_fields_set
    for check in ("source_equals_lake", "schema_drift"):
        if check in options.checks.model_fields_set and getattr(options.checks, check).is_on(by_default=False):
            message = "compares the table with its source, and a topic cannot be compared: leave it out"
            raise OptionMistake(message, ("checks", check), ("source",))
    for option in ("reconcile", "proof", "offload"):
        if option in stated and getattr(options, option) is not None:
            message = "a topic cannot be compared with a table: name a database as `source`, and the topics as `stream`"
            raise OptionMistake(message, (option,), ("source",))
