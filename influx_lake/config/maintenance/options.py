"""The options `maintenance` of a table: compaction, expiry, orphans, manifests, metadata, statistics."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from influx_lake.config.maintenance.engines import Engine
from influx_lake.config.values.conflicting_options import contradiction
from influx_lake.config.values.lists import Distinct
from influx_lake.config.values.on_off import OnOff
from influx_lake.config.values.units import Duration, Size, WholeNumber
from influx_lake.config.values.validated_names import Text

SHORTEST_ORPHAN_AGE = timedelta(days=1)


class Kind(StrEnum):
    """A kind of maintenance; each has a job and a schedule of its own."""

    COMPACT = "compact"
    EXPIRE_SNAPSHOTS = "expire_snapshots"
    REMOVE_ORPHANS = "remove_orphans"
    REWRITE_MANIFESTS = "rewrite_manifests"
    METADATA = "metadata"
    STATISTICS = "statistics"
    RETENTION = "retention"


class CompactOptions(BaseModel):
    """Which data files are rewritten together."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    target_file_size: Size | None = Field(
        default=None,
        ge=1,
        description="How large a file gets. Default: as loads write them (`write.target_file_size`).",
    )
    small_file_size: Size | None = Field(
        default=None, ge=1, description="A file below this is small. Default: three quarters of the target."
    )
    min_input_files: WholeNumber = Field(
        default=2,
        ge=2,
        description="How many small files an Iceberg partition has at least, for it to be compacted. One with deletes "
        "of other engines always is.",
    )
    after: Duration = Field(
        default=timedelta(hours=2),
        description="How long ago an Iceberg partition was sealed: its time is past, and so is the measurement's lag. "
        "What is younger is still being loaded, and is left.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        small, target = self.small_file_size, self.target_file_size
        if small is not None and target is not None and small > target:
            message = "is larger than target_file_size: each file would be small again once it is compacted"
            raise contradiction(message, "small_file_size")
        return self


class ExpireOptions(BaseModel):
    """Which snapshots, and which files with them, are dropped. Those of branches and tags are kept."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    older_than: Duration = Field(default=timedelta(days=7), description="A snapshot younger than this is kept.")
    keep_last: WholeNumber = Field(
        default=10, ge=1, description="How many of the newest snapshots are kept, however old."
    )


class OrphanOptions(BaseModel):
    """Which files are removed that no snapshot refers to."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    older_than: Annotated[Duration, Field(ge=SHORTEST_ORPHAN_AGE)] = Field(
        default=timedelta(days=3), description="A file younger than this is kept: a load may be about to commit it."
    )


class ManifestOptions(BaseModel):
    """Which manifests are rewritten together."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    min_manifests: WholeNumber = Field(
        default=20, ge=2, description="How many small manifests a table has at least, for them to be rewritten."
    )


class MetadataOptions(BaseModel):
    """Which metadata files of earlier states are removed."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    keep_last: WholeNumber = Field(default=100, ge=20, description="How many of the newest are kept.")


class StatisticsOptions(BaseModel):
    """Which columns' distinct values are counted, for the planners of other engines."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    columns: Annotated[tuple[Text, ...], Distinct()] = Field(
        default=(), description="The columns, as they are called in the table. Default: the tags.", examples=[["host"]]
    )


class MaintenanceOptions(BaseModel):
    """What is done to a table besides loading it; each kind may be `off`."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    compact: Annotated[CompactOptions | None, OnOff()] = Field(default=CompactOptions(), description="Small files.")
    expire_snapshots: Annotated[ExpireOptions | None, OnOff()] = Field(
        default=ExpireOptions(), description="Old snapshots."
    )
    remove_orphans: Annotated[OrphanOptions | None, OnOff()] = Field(
        default=OrphanOptions(), description="Files of no snapshot."
    )
    rewrite_manifests: Annotated[ManifestOptions | None, OnOff()] = Field(
        default=ManifestOptions(), description="Small manifests."
    )
    metadata: Annotated[MetadataOptions | None, OnOff()] = Field(
        default=MetadataOptions(), description="Metadata files of earlier states."
    )
    statistics: Annotated[StatisticsOptions | None, OnOff()] = Field(
        default=None, description="Numbers of distinct values, for other engines' planners. Default: `off`."
    )

    engine: Engine = Field(
        default=Engine.OWN,
        description="Who does it: `own`, the run itself; `spark`, `trino` or `athena`, where a table outgrew one "
        "machine. How these are reached is said in `engines`. What an engine cannot do, and `metadata` and "
        "`statistics`, the run does itself.",
    )

    def of(self, kind: Kind) -> BaseModel | None:
        """The options of a kind; None where it is off."""
        # How long rows are kept is said beside these.
        options: BaseModel | None = getattr(self, kind, None)
        return options

    def overlaid(self, own: MaintenanceOptions) -> MaintenanceOptions:
        """These options, overridden by others."""
        stated = {name: _over(getattr(self, name), getattr(own, name)) for name in own.model_fields_set}
        return self.model_copy(update=stated)


Maintenance = Annotated[MaintenanceOptions | None, OnOff()]
"""The options; None: off."""


def _over(base: BaseModel | Engine | None, own: BaseModel | Engine | None) -> BaseModel | Engine | None:
    if not isinstance(base, BaseModel) or not isinstance(own, BaseModel):
        return own
    return base.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})
