"""The section `engines`: connections to query engines that maintain tables."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from influx_lake.config.connections.server import TlsConfig
from influx_lake.config.references.secret import Secret
from influx_lake.config.values.address import Address
from influx_lake.config.values.conflicting_options import contradiction
from influx_lake.config.values.on_off import or_empty
from influx_lake.config.values.read_options import PositiveDuration
from influx_lake.config.values.validated_names import Form, Text
from influx_lake.errors import ConfigurationError


class Engine(StrEnum):
    """Who maintains a table."""

    OWN = "own"
    SPARK = "spark"
    TRINO = "trino"
    ATHENA = "athena"


_REMOTE = Form(
    r"^sc://[A-Za-z0-9._:\[\]-]+(/(;[A-Za-z_-]+=[^;\s]*)*)?$",
    "a Spark Connect address: write sc://spark.example.com:15002, with parameters as in sc://spark:15002/;use_ssl=true",
)


class SparkConfig(BaseModel):
    """A Spark with Iceberg's extensions: a Spark Connect server, or a session in the process of the run."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    remote: Annotated[str, _REMOTE] | None = Field(
        default=None,
        description="The Spark Connect server. Default: a session in the run's own process, as `conf` and Spark's own "
        "files say.",
        examples=["sc://spark.example.com:15002"],
    )
    token: Secret | None = Field(
        default=None, description="The token that the Spark Connect server wants.", examples=["${SPARK_TOKEN}"]
    )
    conf: dict[Text, Secret] = Field(
        default={},
        description="Spark's properties, by their names; references are resolved when Spark is started.",
        examples=[{"spark.master": "spark://spark:7077"}],
    )
    catalog: Text | None = Field(
        default=None, description="What Spark calls the lake's catalog (`spark.sql.catalog.NAME`). Default: its name."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.remote and ";token=" in self.remote:
            raise contradiction("has a token in it: give it as `token`, by reference", "remote")
        if self.token and not self.remote:
            raise contradiction("is for a Spark Connect server: give its address as `remote`", "token")
        return self


class TrinoConfig(BaseModel):
    """A Trino with the lake's catalog in its Iceberg connector."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    host: Text = Field(description="The coordinator's address.", examples=["https://trino.example.com:8443"])
    user: Text = Field(default="influx_lake", description="Who the statements are run as.")
    password: Secret | None = Field(default=None, description="The user's password.", examples=["${TRINO_PASSWORD}"])
    token: Secret | None = Field(
        default=None, description="A token (JWT) in the place of a password.", examples=["${TRINO_TOKEN}"]
    )
    tls: Annotated[TlsConfig, BeforeValidator(or_empty)] = Field(
        default=TlsConfig(), description="TLS options; they need an https host."
    )
    catalog: Text | None = Field(
        default=None,
        description="What Trino calls the lake's catalog (`etc/catalog/NAME.properties`). Default: its name.",
    )
    session: dict[Text, str] = Field(
        default={},
        description="Session properties, by their names.",
        examples=[{"query_max_run_time": "2h", "lake.compression_codec": "ZSTD"}],
    )

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: str) -> str:
        try:
            Address.parse(host, 8080)
        except ConfigurationError as error:
            raise ValueError(error.message.removeprefix("host: ").removeprefix("host ")) from None
        return host

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.password and self.token:
            raise contradiction("a password and a token: give one of them", "token")
        if not self.address.secure:
            for option in ("password", "token"):
                if getattr(self, option):
                    message = f"would travel in the clear, since {self.address.url} has no TLS: write https://"
                    raise contradiction(message, option)
            if self.tls != TlsConfig():
                message = f"tls has no effect, since {self.address.url} is not reached by TLS: write https://"
                raise contradiction(message, "tls")
        return self

    @property
    def address(self) -> Address:
        """The coordinator's address with scheme and port."""
        return Address.parse(self.host, 8080)


class AthenaConfig(BaseModel):
    """Amazon Athena, with the lake's tables in AWS Glue."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    workgroup: Text = Field(
        default="primary", description="The workgroup; it has to say where results go, and be of engine version 3."
    )
    region: Text | None = Field(default=None, description="The region. Default: as AWS's own settings say.")
    catalog: Text | None = Field(
        default=None, description="What Athena calls the data catalog. Default: the account's own, AwsDataCatalog."
    )
    timeout: PositiveDuration = Field(
        default=timedelta(hours=2), description="The longest wait for a statement; it is Athena that ends it."
    )
    aws_access_key_id: Text | None = Field(
        default=None,
        description="The key of its account. Default: as AWS's own settings say (role, profile, variables).",
    )
    aws_secret_access_key: Secret | None = Field(
        default=None, description="The secret of the key.", examples=["${ATHENA_SECRET}"]
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.aws_access_key_id is None) != (self.aws_secret_access_key is None):
            message = "aws_access_key_id and aws_secret_access_key belong together: give both of them, or neither"
            raise contradiction(message, "aws_access_key_id" if self.aws_access_key_id else "aws_secret_access_key")
        return self


class EngineConnections(BaseModel):
    """The query engines that tables may name as their `engine`."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    spark: SparkConfig | None = Field(default=None, description="Spark.")
    trino: TrinoConfig | None = Field(default=None, description="Trino.")
    athena: Annotated[AthenaConfig | None, BeforeValidator(or_empty)] = Field(
        default=None, description="Amazon Athena."
    )

    def has(self, engine: Engine) -> bool:
        """Whether an engine is configured; this process needs no configuration."""
        return engine is Engine.OWN or getattr(self, engine) is not None


SECRETS = (("spark", "token"), ("trino", "password"), ("trino", "token"), ("athena", "aws_secret_access_key"))
"""The paths of secrets in the section."""
CONF = ("spark", "conf")
"""The paths of values that may contain secrets."""
