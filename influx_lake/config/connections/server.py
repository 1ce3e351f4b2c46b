"""Options common to sources that are servers: address, TLS, timeouts."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from influx_lake.config.connections.base import SourceConfig
from influx_lake.config.connections.changes import TellingChanges
from influx_lake.config.connections.limits import DocumentLimit
from influx_lake.config.values.address import Address
from influx_lake.config.values.conflicting_options import contradiction
from influx_lake.config.values.locations import LocalFile
from influx_lake.config.values.on_off import or_empty
from influx_lake.config.values.read_options import ReadingOptions
from influx_lake.config.values.units import Duration, YesNo
from influx_lake.errors import ConfigurationError


class TlsConfig(BaseModel):
    """How the server of an `https` host is recognised, and how we identify ourselves to it."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    verify: YesNo = Field(
        default=True,
        description="Whether the server's certificate is checked. Without it anybody can pose as the server.",
    )
    ca_file: LocalFile | None = Field(
        default=None, description="Certificates (PEM) to trust instead of the system's, for a server with a private CA."
    )
    cert_file: LocalFile | None = Field(
        default=None, description="Our own certificate (PEM), for servers that ask for one."
    )
    key_file: LocalFile | None = Field(default=None, description="The private key (PEM) of `cert_file`.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            message = "cert_file and key_file belong together: give both of them, or neither"
            raise contradiction(message, "cert_file" if self.cert_file else "key_file")
        if not self.verify and (self.ca_file or self.cert_file):
            message = "with verify: false neither ca_file nor cert_file has an effect: remove it, or the files"
            raise contradiction(message, "verify")
        return self


class ServerConfig(ReadingOptions, DocumentLimit, SourceConfig):
    """A source that is a server."""

    PORT: ClassVar[int]
    """The default port for `http`."""

    DATABASE_OPTION: ClassVar[str] = "database"
    """The name of the option with the database."""

    _has_changes_table: ClassVar[bool] = False
    """Whether a plugin in the server can record changes in a table."""

    host: str = Field(min_length=1, description="The server's address.")
    tls: Annotated[TlsConfig, BeforeValidator(or_empty)] = Field(
        default=TlsConfig(), description="TLS options; they need an https host."
    )
    timeout: Duration = Field(
        default=timedelta(minutes=5),
        description="How long to wait for the next rows of an answer. All of them may take much longer.",
    )
    connect_timeout: Duration = Field(default=timedelta(seconds=10), description="The longest wait for a connection.")

    changes: TellingChanges = Field(
        default=None,
        description="The database tells which windows got late or changed points, and they are loaded again at once: "
        "by a plugin inside InfluxDB 3 (`influx-lake engine install`), a subscription of InfluxDB 1, or whoever asks "
        "`POST /v1/changes`. Default: off.",
    )

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: str) -> str:
        try:
            Address.parse(host, cls.PORT)
        except ConfigurationError as error:
            raise ValueError(str(error).removeprefix("host: ")) from None
        return host

    @field_validator("timeout", "connect_timeout")
    @classmethod
    def _check_timeout(cls, value: timedelta) -> timedelta:
        if value <= timedelta(0):
            raise ValueError("is no time at all: give a length of time above 0")
        return value

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if self.tls != TlsConfig() and not self.address.secure:
            message = f"tls has no effect, since {self.address.url} is not reached by TLS: write https://"
            raise contradiction(message, "tls")
        return self

    @model_validator(mode="after")
    def _check_changes(self) -> Self:
        if self.changes and "table" in self.changes.model_fields_set and not self._has_changes_table:
            raise contradiction("is a table of InfluxDB 3: this server tells `influx-lake serve`", "changes", "table")
        return self

    @property
    def confirms_always(self) -> bool:
        """Whether `confirm_rows` cannot be off: a truncated response can look complete."""
        return False

    def for_database(self, database: str) -> Self:
        """The configuration for another database of the server."""
        return self.model_copy(update={self.DATABASE_OPTION: database})

    @property
    def address(self) -> Address:
        """The server's address with scheme and port."""
        return Address.parse(self.host, self.PORT)
