"""`/v1/measurements`: the measurements of the lake, with their status."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from influx_lake.config import Measurement
from influx_lake.config.values.units import format_duration
from influx_lake.config.values.windows import utc_text
from influx_lake.errors import ConfigurationError
from influx_lake.replication.facts import status_facts
from influx_lake.serve.problems import Problem, documented
from influx_lake.serve.routes.dependencies import Served

router = APIRouter(prefix="/v1/measurements", tags=["measurements"])


class MeasurementView(BaseModel):
    """A measurement as lake.yaml declares it."""

    key: str = Field(description="What it is called in lake.yaml.")
    measurement: str = Field(description="Its name in InfluxDB.")
    source: str
    database: str
    table: str = Field(description="Its Iceberg table.")
    every: str = Field(description="How long a window is: `hour`, `day`, `week` or `month`.")
    start: str = Field(description="Where the first window starts.")
    timezone: str
    lag: str = Field(description="How long after its end a window is due.")
    mode: str = Field(description="How rows get into the table.")
    rollups: list[str] = Field(description="The tables that follow it.")

    @classmethod
    def of(cls, measurement: Measurement) -> MeasurementView:
        """The view of a measurement."""
        return cls(
            key=measurement.key,
            measurement=measurement.name,
            source=measurement.source,
            database=measurement.database,
            table=measurement.table_name,
            every=measurement.scheme.every,
            start=utc_text(measurement.scheme.start),
            timezone=measurement.scheme.timezone,
            lag=format_duration(measurement.lag),
            mode=measurement.write.mode,
            rollups=[".".join(each.identifier) for each in measurement.rollups],
        )


class Measurements(BaseModel):
    """The measurements of the lake."""

    measurements: list[MeasurementView]


class MeasurementStatusView(MeasurementView):
    """A measurement with the status of its table."""

    status: dict[str, Any] = Field(description="As `influx-lake status --json` says.")


@router.get("", responses=documented())
def measurements(service: Served) -> Measurements:
    """List the measurements that the lake declares, or that its patterns match."""
    return Measurements(measurements=[MeasurementView.of(each) for each in service.lake.measurements])


@router.get(
    "/{name}",
    responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.BAD_GATEWAY),
)
def measurement(
    name: Annotated[str, Path(min_length=1, max_length=1_000, description="By name or by table.")], service: Served
) -> MeasurementStatusView:
    """Show one measurement with the status of its table."""
    from influx_lake.replication.status import measurement_status

    try:
        found = service.lake.find(name)
    except ConfigurationError as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from None
    with service.session() as session:
        status = status_facts(measurement_status(session.catalog, found, datetime.now(UTC)))
    return MeasurementStatusView(**MeasurementView.of(found).model_dump(), status=status)
