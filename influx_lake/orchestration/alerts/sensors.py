"""The alert sensors: one for each channel, which sends notices of new events and retries what was not delivered."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import dagster as dg

from influx_lake.config import AlertOptions, Lake, redact
from influx_lake.errors import LakeError
from influx_lake.orchestration.alerts.channels import Channel, channels_of
from influx_lake.orchestration.alerts.events import TYPES, Position, Positions, events_after
from influx_lake.orchestration.alerts.notice import Notice
from influx_lake.orchestration.alerts.notices_from_events import Reader
from influx_lake.orchestration.lake_names import LAKE_TAG, LakeNames

if TYPE_CHECKING:
    from dagster import EventLogRecord

IN_A_MESSAGE = 10
SECONDS = 30
"""The interval between two ticks of a sensor, in seconds."""


def alert_sensors(lake: Lake) -> list[dg.SensorDefinition]:
    """Build one sensor for each channel, so that a channel that is down neither delays nor repeats the others."""
    return [_sensor(lake, lake.alerts, channel) for channel in channels_of(lake.alerts)] if lake.alerts else []


def _sensor(lake: Lake, options: AlertOptions, channel: Channel) -> dg.SensorDefinition:
    def evaluate(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        if context.cursor is None:
            context.update_cursor(str(Positions.now(context.instance)))
            return dg.SkipReason("Alerts begin with the next event")
        return dg.SkipReason(_Tick(context, _reader(context, lake, options), channel).run())

    kinds = ", ".join(f"`{kind}`" for kind in options.on)
    return dg.SensorDefinition(
        name=LakeNames.of(lake).scoped(f"alerts_by_{channel.name}"),
        evaluation_fn=evaluate,
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Sends notices of {kinds} by {channel.name}. What was not delivered is sent again.",
    )


def _reader(context: dg.SensorEvaluationContext, lake: Lake, options: AlertOptions) -> Reader:
    origin, repository = context.code_location_origin, context.repository_def
    nodes = repository.asset_graph.asset_nodes if repository else ()
    # Other lakes of the code location have their own alert sensors.
    assets = frozenset(node.key for node in nodes if node.tags.get(LAKE_TAG, lake.name) == lake.name)
    return Reader(lake, options, context.instance, origin.location_name if origin else None, assets)


@dataclass
class _Tick:
    """One tick of an alert sensor: the events since the last one."""

    context: dg.SensorEvaluationContext
    reader: Reader
    channel: Channel
    positions: Positions = field(init=False)
    sent: int = 0

    def __post_init__(self) -> None:
        self.positions = Positions.parse(self.context.cursor or "{}")

    def run(self) -> str:
        """Send a notice for each new event; the cursor records sent notices, also where a later message fails.

        Returns:
            What was done, for the tick.

        Raises:
            LakeError: No notice could be delivered; the next tick tries again.
        """
        try:
            for name in TYPES:
                self._tell(name, self.positions.of[name])
        except LakeError as error:
            self.context.log.warning(redact(str(error)))
            if not self.sent:
                raise
            return f"Notices sent: {self.sent}, then: {redact(str(error))}"
        finally:
            self.context.update_cursor(str(self.positions))
        return f"Notices sent: {self.sent}" if self.sent else "Nothing went wrong"

    def _tell(self, name: str, position: Position) -> None:
        records = list(events_after(self.context.instance, name, position))
        new = self._new(records, position)
        while batch := list(islice(new, IN_A_MESSAGE)):
            self.channel.send([notice for _, notice in batch])
            position.told.update(storage_id for storage_id, _ in batch)
            self.sent += len(batch)
        position.settle(((record.storage_id, record.timestamp) for record in records), time.time())

    def _new(self, records: Sequence[EventLogRecord], position: Position) -> Iterator[tuple[int, Notice]]:
        for record in records:
            if record.storage_id not in position.told:
                notice = self.reader.notice(record)
                if notice is not None:
                    yield record.storage_id, notice
