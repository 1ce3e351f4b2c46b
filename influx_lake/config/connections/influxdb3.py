"""The source type `influxdb3`: a database of InfluxDB 3."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from influx_lake.config.connections.server import ServerConfig
from influx_lake.config.references.secret import Secret
from influx_lake.config.values.conflicting_options import contradiction
from influx_lake.config.values.units import WholeNumber


class Protocol(StrEnum):
    """The protocol of queries."""

    FLIGHT = "flight"
    HTTP = "http"


class InfluxDB3Config(ServerConfig):
    """One database of an InfluxDB 3 server (Core, Enterprise or Cloud)."""

    PORT: ClassVar[int] = 8181
    _has_changes_table: ClassVar[bool] = True

    type: Literal["influxdb3"] = Field(default="influxdb3", description="What speaks at the other end.")
    host: str = Field(
        min_length=1,
        description="The server's address, such as http://127.0.0.1:8181 or https://influxdb.example.com. Without a "
        "scheme it is http on this machine and https elsewhere; without a port, 8181 for http and 443 for https.",
        examples=["http://127.0.0.1:8181", "https://influxdb.example.com"],
    )
    database: str = Field(min_length=1, description="The database that holds the measurements.")
    token: Secret | None = Field(
        default=None,
        description="The token, from the environment, a file or a secret store. Leave it out for a server that runs "
        "without authorization.",
        examples=["${INFLUXDB3_TOKEN}", "${file:influxdb.token}", "${aws-secret:influxdb#token}"],
    )
    protocol: Protocol = Field(
        default=Protocol.FLIGHT,
        description="`flight` is several times as fast; `http` is for networks that gRPC does not pass.",
    )
    query_port: WholeNumber | None = Field(
        default=None, ge=1, le=65535, description="The port of Arrow Flight queries, where it is not the host's own."
    )

    @property
    def confirms_always(self) -> bool:
        """Whether `confirm_rows` cannot be off: a truncated HTTP response can look complete."""
        return self.protocol is Protocol.HTTP

    @model_validator(mode="after")
    def _check_protocol(self) -> Self:
        if self.protocol is Protocol.HTTP:
            if self.query_port is not None:
                raise contradiction("is the port of Arrow Flight: leave it out with protocol: http", "query_port")
            if not self.confirm_rows:
                raise contradiction(
                    "protocol: http needs confirm_rows: an answer that broke off can look whole", "confirm_rows"
                )
        return self
