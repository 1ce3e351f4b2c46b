"""Windows of a fake source's measurement, loaded and looked at by a check."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from pyiceberg.catalog import Catalog

from influx_lake.checks.subject import Subject
from influx_lake.config import CheckOptions
from influx_lake.config.values.windows import Window
from influx_lake_tests.unit.replication.fake_source import FakeSource
from influx_lake_tests.unit.replication.loading import CPU, SCHEME


def subject(catalog: Catalog, source: FakeSource, *windows: Window, **checks: Any) -> Subject:
    """What a check is given that is asked about some windows, or about the newest."""
    measurement = replace(CPU, checks=CheckOptions.model_validate(checks))
    return Subject(measurement, catalog, lambda: source, SCHEME.start + timedelta(days=30), requested=windows)
