"""The source type `influxdb`: a server whose version is detected."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from influx_lake.config.connections.influxdb1 import InfluxDB1Config
from influx_lake.config.connections.influxdb2 import InfluxDB2Config
from influx_lake.config.connections.influxdb3 import InfluxDB3Config
from influx_lake.config.connections.server import ServerConfig
from influx_lake.config.references.secret import Secret
from influx_lake.config.values.conflicting_options import contradiction
from influx_lake.config.values.units import YesNo


class AutoConfig(ServerConfig):
    """One database or bucket of an InfluxDB, of whichever version answers."""

    PORT: ClassVar[int] = 8086
    _has_changes_table: ClassVar[bool] = True

    type: Literal["auto"] = Field(description="Whatever version of InfluxDB answers.")
    host: str = Field(
        min_length=1,
        description="The server's address. Without a scheme it is http on this machine and https elsewhere; without a "
        "port, 8086 for http and 443 for https.",
        examples=["http://127.0.0.1:8086", "https://influxdb.example.com"],
    )
    database: str = Field(min_length=1, description="The database, or the bucket of an InfluxDB 2.")
    org: str | None = Field(default=None, min_length=1, description="The organization, for an InfluxDB 2.")
    username: str | None = Field(default=None, min_length=1, description="The user, for an InfluxDB 1.")
    password: Secret | None = Field(
        default=None, description="The password of `username`.", examples=["${INFLUXDB_PASSWORD}"]
    )
    token: Secret | None = Field(default=None, description="The token.", examples=["${INFLUXDB_TOKEN}"])
    confirm_rows: YesNo = Field(
        default=False,
        description="Have rows, or the values of each field, counted after reading them, and read again when they "
        "differ.",
    )

    @model_validator(mode="after")
    def _check_credentials(self) -> Self:
        if (self.username is None) != (self.password is None):
            message = "username and password belong together: give both of them, or neither"
            raise contradiction(message, "username" if self.username else "password")
        return self

    def of_version(self, version: int) -> InfluxDB1Config | InfluxDB2Config | InfluxDB3Config:
        """The configuration for the detected version.

        Raises:
            ValidationError: An option that the version needs is missing, or one that it does not have is set.
        """
        options: dict[str, Any] = {name: getattr(self, name) for name in ServerConfig.model_fields}
        options |= {"host": self.address.url, "token": self.token, "confirm_rows": self.confirm_rows}
        if version == 1:
            options |= {"database": self.database, "username": self.username, "password": self.password}
            return InfluxDB1Config(type="influxdb1", **options)
        if version == 2:
            options |= {"bucket": self.database, "org": self.org}
            return InfluxDB2Config(type="influxdb2", **options)
        return InfluxDB3Config(type="influxdb3", database=self.database, **options)
