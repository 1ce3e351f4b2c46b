"""InfluxDB 3 answers what it refuses with status 500 and a text: it is the text that says whether a retry can help."""

from datetime import UTC, datetime

import pytest

from influx_lake.config import InfluxDB3Config
from influx_lake.config.values.windows import Window
from influx_lake.errors import (
    DatabaseNotFound,
    FileLimitExceeded,
    LakeError,
    MeasurementNotFound,
    QueryRejected,
    SourceUnavailable,
)
from influx_lake.sources.http import HttpFailures
from influx_lake.sources.influxdb3.failures import Failures

DAY = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
CONFIG = InfluxDB3Config(host="http://127.0.0.1:8181", database="telemetry")
PLANNING = "query error: error while planning query: "
RUNNING = "query error: error while executing plan: "
SIMPLIFYING = "Optimizer rule 'simplify_expressions' failed\ncaused by\n"
LIMIT = "Query would scan 432 Parquet files, exceeding the file limit. InfluxDB 3 Core caps file access"


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (500, f"{PLANNING}Error during planning: table 'public.iox.cpu' not found", MeasurementNotFound),
        (
            500,
            f"{PLANNING}Error during planning: table 'public.iox.exceeding the file limit' not found",
            MeasurementNotFound,
        ),
        (500, f"{PLANNING}Error during planning: table 'public.system.influxdb_schema' not found", QueryRejected),
        (500, f'{PLANNING}Schema error: No field named usage. Valid fields are "cpu"."time".', QueryRejected),
        (500, f'{PLANNING}Schema error: No field named "x: database not found".', QueryRejected),
        (500, f'{PLANNING}Schema error: No field named "Query would exceed the file limit".', QueryRejected),
        (500, f"{PLANNING}type_coercion\ncaused by\nError during planning: Cannot coerce", QueryRejected),
        (500, f'{PLANNING}SQL error: ParserError("Expected: an SQL statement")', QueryRejected),
        (400, f'{PLANNING}SQL error: ParserError("Expected: an SQL statement")', QueryRejected),
        (500, f"{PLANNING}External error: {LIMIT}", FileLimitExceeded),
        (500, f"{PLANNING}External error: Query would exceed file limit of 432 parquet files", FileLimitExceeded),
        (404, '{"error":"query error: database not found: telemetry"}', DatabaseNotFound),
        (500, f"{RUNNING}Arrow error: Cast error: Cannot cast string 'x' to value of Int64 type", QueryRejected),
        (500, f"{RUNNING}Arrow error: Divide by zero error", QueryRejected),
        (500, f"{RUNNING}Resources exhausted: Failed to allocate additional 1 GB", SourceUnavailable),
        (500, f"{RUNNING}External error: Object Store error: Generic S3 error", SourceUnavailable),
        (500, f"{PLANNING}External error: Object Store error: Generic S3 error", SourceUnavailable),
        (500, f"{PLANNING}Object Store error: Generic S3 error", SourceUnavailable),
        (500, f"{PLANNING}Resources exhausted: too many", SourceUnavailable),
        # As InfluxDB 3 Core 3.10 says it.
        (400, "Error during planning: table 'public.iox.cpu' not found", MeasurementNotFound),
        (400, 'SQL error: ParserError("Expected: an SQL statement")', QueryRejected),
        (400, "type_coercion\ncaused by\nError during planning: Expected LIMIT to be an integer", QueryRejected),
        (500, "Schema error: No field named usage. Valid fields are cpu.time.", QueryRejected),
        (500, "Schema error: Schema contains duplicate qualified field name m.h", QueryRejected),
        (500, f"{SIMPLIFYING}Arrow error: Cast error: Cannot cast string 'x' to value of Int64 type", QueryRejected),
        (500, f"{SIMPLIFYING}Arrow error: Parser error: Error parsing timestamp from 'abc'", QueryRejected),
        (500, f"External error: {LIMIT}", FileLimitExceeded),
        (500, "External error: Object Store error: Generic S3 error", SourceUnavailable),
        (500, "Resources exhausted: Failed to allocate additional 1 GB", SourceUnavailable),
        (500, "<html>proxy</html>", SourceUnavailable),
        (503, "", SourceUnavailable),
    ],
)
def test_what_a_status_and_its_text_mean(status: int, text: str, kind: type[LakeError]) -> None:
    failures = Failures(CONFIG, "cpu", DAY)
    http = HttpFailures(CONFIG, failures.where, failures.of_text, measurement="cpu", window=DAY)
    error = http.of_status(status, text.encode(), {})
    assert type(error) is kind
    assert (error.measurement, error.window) == ("cpu", str(DAY))
    assert error.transient is (kind is SourceUnavailable)
    assert error.remedy
