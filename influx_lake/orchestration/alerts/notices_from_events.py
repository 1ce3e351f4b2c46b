"""Turns Dagster's event log entries (failed runs, failed checks, late assets) into notices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import dagster as dg
from dagster import DagsterEventType

from influx_lake.config import AlertKind, AlertOptions, Lake, Measurement, Severity, redact
from influx_lake.orchestration.alerts.links import Links
from influx_lake.orchestration.alerts.notice import Notice
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.lake_names import LAKE_TAG
from influx_lake.orchestration.recent_runs import is_elsewhere
from influx_lake.orchestration.splitting.part_requests import PART_OF
from influx_lake.orchestration.tags import REASON, WINDOW, partitions_of

if TYPE_CHECKING:
    from dagster import EventLogEntry, EventLogRecord

    from influx_lake.orchestration.dagster_internals import FreshnessStateChange, SerializableErrorInfo

FRESHNESS_CHECK = "freshness"
_WILL_RETRY = "dagster/will_retry"
_CAUSE_CHARACTERS = 1_500
_GIVEN_UP = "This run has been marked as failed from outside the execution context."
"""Dagster's message for a run whose process died; the engine events before it say more."""
_RETRIED = "Its windows are retried automatically; if it keeps failing, see the run's log"
_RUN_AGAIN = "See the run's log, then run it again"
_SEVERITIES = {dg.AssetCheckSeverity.WARN: Severity.WARN, dg.AssetCheckSeverity.ERROR: Severity.ERROR}


@dataclass
class Reader:
    """Turns event log entries into the notices that a lake's `alerts` asks for.

    Attributes:
        options: `alerts` of lake.yaml: which kinds and severities are sent.
        instance: The Dagster instance.
        location: The name of the code location; runs of other locations are skipped. None in tests.
        assets: The assets of this lake; those of another lake in the same code location are left out.
    """

    lake: Lake
    options: AlertOptions
    instance: dg.DagsterInstance
    location: str | None
    assets: frozenset[dg.AssetKey]

    def notice(self, record: EventLogRecord) -> Notice | None:
        """The notice for an event; None where `alerts` does not ask for one."""
        event = record.event_log_entry.dagster_event
        data = event.event_specific_data if event else None
        if isinstance(data, dg.AssetCheckEvaluation):
            found = self._of_check(record.event_log_entry, data)
        elif event is not None and event.event_type is DagsterEventType.FRESHNESS_STATE_CHANGE:
            found = self._of_freshness(event.asset_freshness_state_change_data)
        else:
            found = self._of_run(record.event_log_entry)
        return found if found is not None and found.kind in self.options.on else None

    @cached_property
    def _measurements(self) -> dict[dg.AssetKey, Measurement]:
        return {asset_key(measurement): measurement for measurement in self.lake.measurements}

    @property
    def _links(self) -> Links:
        return Links(self.options.base_url)

    def _name(self, key: dg.AssetKey) -> str:
        measurement = self._measurements.get(key)
        return measurement.name if measurement else key.to_user_string()

    def _of_check(self, entry: EventLogEntry, found: dg.AssetCheckEvaluation) -> Notice | None:
        severity = _SEVERITIES[found.severity]
        is_wanted = severity is Severity.ERROR or self.options.severity is Severity.WARN
        if found.passed or not is_wanted or found.asset_key not in self.assets:
            return None
        is_stale = found.check_name == FRESHNESS_CHECK and found.asset_key in self._measurements
        what = "is not fresh" if is_stale else f"check {found.check_name} failed"
        run = self.instance.get_run_by_id(entry.run_id)
        cause, window, remedy = _split(found.description or "the check gives no reason")
        return Notice(
            kind=AlertKind.STALE if is_stale else AlertKind.CHECK_FAILED,
            title=f"{found.asset_key.to_user_string()}: {what}",
            cause=cause,
            measurement=self._name(found.asset_key),
            window=window or (_window_of(run) if run else None),
            remedy=remedy,
            link=self._links.check(found.asset_key, found.check_name),
            severity=severity,
        )

    def _of_freshness(self, change: FreshnessStateChange) -> Notice | None:
        severity = {"FAIL": Severity.ERROR, "WARN": Severity.WARN}.get(change.new_state.value)
        measurement = self._measurements.get(change.key)
        # The check `freshness` reports more, and has its own notice.
        is_checked = measurement is not None and measurement.checks.freshness.is_on(by_default=True)
        if severity is None or change.key not in self.assets or is_checked:
            return None
        if severity is Severity.WARN and self.options.severity is Severity.ERROR:
            return None
        return Notice(
            kind=AlertKind.STALE,
            title=f"{change.key.to_user_string()}: is not fresh",
            cause=f"its freshness policy went from {change.previous_state.value} to {change.new_state.value}: it was "
            "not materialised in time",
            measurement=self._name(change.key),
            remedy="See whether its schedule runs and its runs succeed",
            link=self._links.asset(change.key),
            severity=severity,
        )

    def _of_run(self, entry: EventLogEntry) -> Notice | None:
        run = self.instance.get_run_by_id(entry.run_id)
        if run is None or run.tags.get(_WILL_RETRY) == "true" or not self._is_ours(run):
            return None
        if PART_OF in run.tags:
            # The requesting run writes the part itself; if that fails too, that run gets a notice.
            return None
        failures = self.instance.all_logs(run.run_id, of_type=DagsterEventType.STEP_FAILURE)
        facts = _facts_of(failures)
        names = sorted(key.to_user_string() for key in run.asset_selection or ())
        subject = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        return Notice(
            kind=AlertKind.RUN_FAILURE,
            title=f"Run failed: {subject or facts.get('measurement') or run.job_name}",
            cause=_shortened(facts.get("cause") or self._cause_of_death(entry)),
            measurement=facts.get("measurement") or subject or None,
            window=facts.get("window") or _window_of(run),
            remedy=facts.get("remedy") or (_RETRIED if REASON in run.tags else _RUN_AGAIN),
            link=self._links.run(run.run_id),
        )

    def _is_ours(self, run: dg.DagsterRun) -> bool:
        """Whether a run is of this code location, and not of another lake in it."""
        if is_elsewhere(run, self.location):
            return False
        if self.lake.name is None:
            return True
        has_our_assets = not run.asset_selection or not self.assets.isdisjoint(run.asset_selection)
        return has_our_assets and run.tags.get(LAKE_TAG, self.lake.name) == self.lake.name

    def _cause_of_death(self, failure: EventLogEntry) -> str:
        """The cause of a run that died or never started: the failure's message, else the engine event before it."""
        said = failure.dagster_event.message if failure.dagster_event else None
        if said and said != _GIVEN_UP:
            return said
        notes = self.instance.all_logs(failure.run_id, of_type=DagsterEventType.ENGINE_EVENT)
        for event in (note.dagster_event for note in reversed(notes) if note.timestamp <= failure.timestamp):
            if event is not None and event.message:
                error = event.engine_event_data.error
                return f"{event.message} {_innermost(error)}" if error else event.message
        return said or "the run recorded no reason"


def _innermost(error: SerializableErrorInfo) -> str:
    while error.cause is not None:
        error = error.cause
    return error.message.strip()


def _facts_of(failures: Sequence[EventLogEntry]) -> dict[str, str]:
    """Cause, measurement, window and remedy of the first step that failed by itself."""
    for failure in failures:
        event = failure.dagster_event
        if event is None:
            continue
        data = event.step_failure_data
        if data.user_failure_data is not None:
            texts = {name: str(value.value) for name, value in data.user_failure_data.metadata.items()}
            cause, remedy = data.user_failure_data.description or "", texts.get("remedy")
            facts = {"cause": cause.removesuffix(f" {remedy}") if remedy else cause}
            return facts | {name: texts[name] for name in ("measurement", "window", "remedy") if name in texts}
        if data.error is not None:
            return {"cause": _innermost(data.error)}
    return {}


def _split(description: str) -> tuple[str, str | None, str | None]:
    """Split a check's description, `measurement cpu, window a/b: cause. Remedy`, into cause, window and remedy."""
    subject, separator, said = description.partition(": ")
    if not separator or not subject.startswith("measurement "):
        return _shortened(description), None, None
    window = subject.partition(", window ")[2] or None
    cause, separator, remedy = said.rpartition(". ")
    return (_shortened(cause), window, remedy) if separator else (_shortened(said), window, None)


def _window_of(run: dg.DagsterRun) -> str | None:
    ends = partitions_of(run)
    said = run.tags.get(WINDOW)
    if said or ends is None:
        return said
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def _shortened(text: str) -> str:
    cause = redact(text).strip()
    return cause if len(cause) <= _CAUSE_CHARACTERS else cause[: _CAUSE_CHARACTERS - 1] + "…"
