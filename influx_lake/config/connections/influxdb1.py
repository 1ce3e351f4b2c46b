"""The source type `influxdb1`: a database of InfluxDB 1."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from influx_lake.config.connections.server import ServerConfig
from influx_lake.config.references.secret import Secret
from influx_lake.config.values.conflicting_options import contradiction
from influx_lake.config.values.units import YesNo

ALL_RETENTION_POLICIES = "*"
CONFIRM_ROWS = (
    "Have the values of each field counted after reading them, and read again when they differ. That takes a tenth of "
    "the time that reading takes. Answers of InfluxQL mark their own end, so that it should not be needed; those of "
    "Flux do not, so that it is always done there."
)


class InfluxDB1Config(ServerConfig):
    """One database of an InfluxDB 1 server."""

    PORT: ClassVar[int] = 8086

    type: Literal["influxdb1"] = Field(description="What speaks at the other end.")
    host: str = Field(
        min_length=1,
        description="The server's address. Without a scheme it is http on this machine and https elsewhere; without a "
        "port, 8086 for http and 443 for https.",
        examples=["http://127.0.0.1:8086", "https://influxdb.example.com"],
    )
    database: str = Field(min_length=1, description="The database that holds the measurements.")
    retention_policy: str | None = Field(
        default=None,
        min_length=1,
        description="The retention policy to read; `*` for all of them, where measurements are called "
        "`policy.measurement`. Default: the database's default one.",
        examples=["autogen", "*"],
    )
    username: str | None = Field(default=None, min_length=1, description="The user, where the server has users.")
    password: Secret | None = Field(
        default=None, description="The password of `username`.", examples=["${INFLUXDB1_PASSWORD}"]
    )
    token: Secret | None = Field(
        default=None,
        description="A JSON Web Token in place of `username` and `password`, for a server with a shared secret.",
        examples=["${INFLUXDB1_TOKEN}"],
    )
    confirm_rows: YesNo = Field(default=False, description=CONFIRM_ROWS)

    @model_validator(mode="after")
    def _check_credentials(self) -> Self:
        if (self.username is None) != (self.password is None):
            message = "username and password belong together: give both of them, or neither"
            raise contradiction(message, "username" if self.username else "password")
        if self.token is not None and self.username is not None:
            raise contradiction("token is in place of username and password: give one or the other", "token")
        return self
