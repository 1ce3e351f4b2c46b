"""The source type `influxdb2`: a bucket of InfluxDB 2."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from influx_lake.config.connections.influxdb1 import CONFIRM_ROWS
from influx_lake.config.connections.server import ServerConfig
from influx_lake.config.references.secret import Secret
from influx_lake.config.values.conflicting_options import contradiction
from influx_lake.config.values.units import YesNo
from influx_lake.config.values.validated_names import Form


class QueryLanguage(StrEnum):
    """The language in which rows are asked for."""

    INFLUXQL = "influxql"
    FLUX = "flux"


class InfluxDB2Config(ServerConfig):
    """One bucket of an InfluxDB 2 server or of InfluxDB Cloud with TSM."""

    PORT: ClassVar[int] = 8086
    DATABASE_OPTION: ClassVar[str] = "bucket"

    type: Literal["influxdb2"] = Field(description="What speaks at the other end.")
    host: str = Field(
        min_length=1,
        description="The server's address. Without a scheme it is http on this machine and https elsewhere; without a "
        "port, 8086 for http and 443 for https.",
        examples=["http://127.0.0.1:8086", "https://influxdb.example.com"],
    )
    org: str = Field(min_length=1, description="The organization that the bucket belongs to.")
    bucket: str = Field(min_length=1, description="The bucket that holds the measurements.")
    token: Secret | None = Field(
        default=None,
        description="A token that may read the bucket, from the environment, a file or a secret store.",
        examples=["${INFLUXDB2_TOKEN}", "${file:influxdb.token}"],
    )
    query_language: QueryLanguage = Field(
        default=QueryLanguage.INFLUXQL,
        description="`influxql` is faster and needs less of the server; `flux` is for servers where InfluxQL is off.",
    )
    dbrp: Annotated[str, Form(r"^[^/]+/.+$", "database/retention policy, such as telemetry/autogen")] | None = Field(
        default=None,
        description="The InfluxQL name of the bucket, database/retention policy. Default: the bucket's DBRP mapping.",
        examples=["telemetry/autogen"],
    )
    confirm_rows: YesNo = Field(default=False, description=CONFIRM_ROWS)

    @model_validator(mode="before")
    @classmethod
    def _confirm_in_flux(cls, options: Any) -> Any:
        if isinstance(options, dict) and options.get("query_language") == QueryLanguage.FLUX:
            return {"confirm_rows": True, **options}
        return options

    @model_validator(mode="after")
    def _check_language(self) -> Self:
        if self.query_language is not QueryLanguage.FLUX:
            return self
        if self.dbrp is not None:
            raise contradiction(
                "is a name for InfluxQL, and Flux reads the bucket itself: leave one of them out", "dbrp"
            )
        if not self.confirm_rows:
            message = "query_language: flux needs confirm_rows: an answer that broke off can look whole"
            raise contradiction(message, "confirm_rows")
        return self

    @property
    def confirms_always(self) -> bool:
        """Whether `confirm_rows` cannot be off: a truncated Flux response can look complete."""
        return self.query_language is QueryLanguage.FLUX

    @property
    def database(self) -> str:
        """The bucket's name."""
        return self.bucket

    @property
    def label(self) -> str:
        return f"the InfluxDB bucket `{self.bucket}`"
