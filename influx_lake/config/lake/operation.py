"""The options of operation: `automation`, `run`, `pools`, `discovery`, `maintenance` and the lake's `name`."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from influx_lake.config.maintenance.schedules import MaintenanceRuns
from influx_lake.config.values.locations import WebAddress
from influx_lake.config.values.units import Duration, Size, WholeNumber
from influx_lake.config.values.validated_names import Form


class Automation(StrEnum):
    """What starts the runs that load windows."""

    ON = "on"
    DECLARATIVE = "declarative"
    OFF = "off"


# In YAML `on` and `off` are booleans.
_SPELLINGS = {"true": "on", "yes": "on", "false": "off", "no": "off"}


def _read_automation(value: Any) -> Any:
    if not isinstance(value, str | bool):
        return value
    text = str(value).strip().lower()
    return _SPELLINGS.get(text, text)


Limit = Annotated[WholeNumber, Field(ge=1, le=1_000)]


class RunOptions(BaseModel):
    """What one run does at once."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    parallel_windows: Annotated[WholeNumber, Field(ge=1, le=64)] = Field(
        default=2,
        description="How many windows of a measurement a run loads at the same time: while one is read, another is "
        "written. They are committed one after the other.",
    )
    memory: Size = Field(
        default=1_000_000_000,
        ge=1,
        description="How much memory the windows of a run may take together; fewer are loaded at once where it does "
        "not suffice, though never none.",
    )


class PoolOptions(BaseModel):
    """How much load InfluxDB servers and tables get, whatever the number of runs. Each is a pool in Dagster."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    influxdb: Limit | None = Field(
        default=None, description="How many runs read from each source at once. Default: as dagster.yaml says."
    )
    sources: dict[str, Limit] = Field(
        default={}, description="The same for single sources, by name.", examples=[{"archive": 1}]
    )
    table: Limit | None = Field(
        default=None, description="How many runs write to each table at once. Default: no limit."
    )

    def limit_of(self, source: str) -> int | None:
        """The limit of concurrent runs for a source; None: dagster.yaml's default."""
        return self.sources.get(source, self.influxdb)


class DiscoveryOptions(BaseModel):
    """How measurements are noticed that appear later, or vanish."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    every: Annotated[Duration, Field(ge=timedelta(seconds=30))] = Field(
        default=timedelta(minutes=5), description="How often each server is asked which measurements it has."
    )
    databases_at_once: WholeNumber = Field(
        default=100,
        ge=1,
        description="How many databases are asked for their measurements each time; where there are more, they take "
        "turns.",
    )
    webserver: WebAddress | None = Field(
        default=None,
        description="Where Dagster's webserver is reached, to have it reload the definitions. Default: "
        "`alerts.base_url`, else `$INFLUX_LAKE_WEBSERVER`, which `influx-lake ui` sets.",
        examples=["http://127.0.0.1:3000"],
    )


_LAKE_NAME = Form(r"^[A-Za-z][A-Za-z0-9_]{0,63}$", "a lake's name: a letter, then letters, digits and _ (at most 64)")


class OperationOptions(BaseModel):
    """The options of a lake.yaml that say how the lake is run."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    name: Annotated[str, _LAKE_NAME] | None = Field(
        default=None,
        description="What this lake is called in Dagster: its resources, pools, jobs and sensors begin with it, so "
        "that a code location can hold several lakes. Default: nothing; in a `dg` project, the component's folder.",
        examples=["plant"],
    )
    automation: Annotated[
        Automation,
        BeforeValidator(_read_automation),
        WithJsonSchema({"enum": [*Automation, True, False, "yes", "no"], "default": "on"}),
    ] = Field(
        default=Automation.ON,
        description="What loads windows when they have closed: `on`, a schedule for each kind of partition; "
        "`declarative`, an automation condition of each asset; `off`, nothing but you.",
    )
    run: RunOptions = Field(default=RunOptions(), description="What one run does at once.")
    pools: PoolOptions = Field(
        default=PoolOptions(), description="How much load InfluxDB servers and tables get. See `influx-lake pools`."
    )
    maintenance: MaintenanceRuns = Field(
        default=MaintenanceRuns(), description="When tables are compacted, and cleared of what is not needed any more."
    )
    discovery: DiscoveryOptions = Field(
        default=DiscoveryOptions(), description="How measurements are noticed that appear later, or vanish."
    )
