"""The cron schedules of maintenance."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from influx_lake.config.maintenance.options import Kind
from influx_lake.config.values.cron import CronOrOff
from influx_lake.config.values.timestamps import TimeZone


class MaintenanceSchedules(BaseModel):
    """When each kind of maintenance is done to every table that has it: five fields of cron, or `off`."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    compact: CronOrOff = Field(
        default="20 * * * *", description="Small files. A table that needs nothing costs a look at its metadata."
    )
    expire_snapshots: CronOrOff = Field(default="30 1 * * *", description="Old snapshots.")
    remove_orphans: CronOrOff = Field(
        default="30 3 * * 0", description="Files of no snapshot. Lists every file below the table's folder."
    )
    rewrite_manifests: CronOrOff = Field(default="10 1 * * *", description="Small manifests.")
    metadata: CronOrOff = Field(default="50 1 * * *", description="Metadata files of earlier states.")
    retention: CronOrOff = Field(default="40 0 * * *", description="Rows that are older than `retention` keeps them.")
    statistics: CronOrOff = Field(default="0 4 * * 0", description="Numbers of distinct values. Reads the columns.")

    def of(self, kind: Kind) -> str | None:
        """The cron expression of a kind; None: not scheduled."""
        cron: str | None = getattr(self, kind)
        return cron


class MaintenanceRuns(BaseModel):
    """When maintenance is done. What is done to a table is said below `defaults`, or of the measurement."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    schedules: MaintenanceSchedules = Field(
        default=MaintenanceSchedules(), description="When each kind is done.", examples=[{"compact": "20 */6 * * *"}]
    )
    timezone: TimeZone = Field(default="UTC", description="Whose times those are (an IANA name).")

    @model_validator(mode="before")
    @classmethod
    def _check_place(cls, value: Any) -> Any:
        misplaced = [kind for kind in Kind if isinstance(value, dict) and kind in value]
        if Kind.RETENTION in misplaced:
            raise ValueError(
                "says how long rows are kept, which is said of measurements: write `retention: {keep: 3y}`"
            )
        if misplaced:
            kind = misplaced[0]
            raise ValueError(
                f"says how {kind} is done, which is said of tables: write `maintenance: {{{kind}: ...}}` below "
                f"`defaults` or below a measurement. Here is when: `schedules: {{{kind}: 20 3 * * *}}`"
            )
        return value
