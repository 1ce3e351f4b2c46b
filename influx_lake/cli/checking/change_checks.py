"""Checks whether databases with `changes` report them, and since when they are silent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

from influx_lake.cli.checking.check_result import Check
from influx_lake.config import Lake, redact
from influx_lake.config.connections import InfluxDB3Config, ServerConfig
from influx_lake.config.values.windows import from_nanoseconds, utc_text
from influx_lake.errors import LakeError

_SILENT = 3_600 * 10**9
_NO_ENGINE = (
    "the server has no processing engine for the plugin, and nothing was told yet; changes that are told by HTTP "
    "(`POST /v1/changes` of influx-lake serve) are taken"
)


def check_telling(lake: Lake, name: str) -> Iterator[Check]:
    """Check a source with `changes`: asks its plugin, or looks when it last reported."""
    config = lake.sources[name]
    if not isinstance(config, ServerConfig) or config.changes is None:
        return
    subject = f"changes of {name}"
    try:
        if isinstance(config, InfluxDB3Config):
            yield from _plugin_checks(lake, name, config, subject)
        else:
            yield _report_check(lake, name, subject)
    except LakeError as error:
        yield Check("changes", subject, False, redact(error.message), redact(error.remedy or "") or None)


def _plugin_checks(lake: Lake, name: str, config: InfluxDB3Config, subject: str) -> Iterator[Check]:
    from influx_lake.engine.installation import look
    from influx_lake.engine.server import EngineServer, NoProcessingEngine
    from influx_lake.engine.triggers import Telling, triggers_of

    with closing(EngineServer(config)) as server:
        triggers = triggers_of(lake, name, config.database, Telling())
        last_report = _last_report(lake, name) is not None
        try:
            installed = server.triggers()
        except NoProcessingEngine:
            yield _report_check(lake, name, subject) if last_report else _without_engine(subject)
            return
        if last_report and not any(trigger.name in installed for trigger in triggers):
            # Another source reports for this one.
            yield _report_check(lake, name, subject)
            return
        for found in look(server, triggers):
            yield Check("changes", subject, found.ok, redact(found.message), found.remedy)


def _without_engine(subject: str) -> Check:
    who = "Who knows of late points tells them: docs/engine.md"
    return Check("changes", subject, True, _NO_ENGINE, who, warning=True)


def _report_check(lake: Lake, name: str, subject: str) -> Check:
    last_report = _last_report(lake, name)
    how = "See that `influx-lake serve` runs, and that the database sends to it: docs/engine.md"
    if last_report is None:
        return Check("changes", subject, False, "nothing was told yet", how)
    status = f"told last at {utc_text(from_nanoseconds(last_report).replace(microsecond=0))}"
    # A database that gets no writes is silent too.
    silent = time.time_ns() - last_report > _SILENT
    return Check("changes", subject, True, status, how if silent else None, warning=silent)


def _last_report(lake: Lake, name: str) -> int | None:
    from influx_lake.replication.changes.journal import ChangeJournal

    return ChangeJournal.of(lake.root).heard().get(name)
