"""The three triggers that run the plugin in a database, and their arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from influx_lake.config import Lake
from influx_lake.config.connections import AutoConfig, InfluxDB3Config
from influx_lake.config.report.diagnostics import suggestion
from influx_lake.config.values.locations import web_mistake
from influx_lake.errors import ConfigurationError

PLUGIN = Path(__file__).with_name("influx_lake_changes.py")
"""The plugin's file, to be copied to the server's plugin directory."""
TICK = "5s"


@dataclass(frozen=True, slots=True)
class Telling:
    """How the plugin reaches `influx-lake serve`; without a URL it only writes the table of changes.

    Attributes:
        url: The service's URL, as the database's server reaches it.
        token_variable: An environment variable of the database's server with a token for the service.
        token_file: A file there with the token.
        ca_file: A file there with CA certificates.
    """

    url: str | None = None
    token_variable: str | None = None
    token_file: str | None = None
    ca_file: str | None = None

    def arguments(self) -> dict[str, str]:
        """The trigger arguments.

        Raises:
            ConfigurationError: The URL is invalid, or holds a secret that everybody with query rights could read.
        """
        if self.url is not None and (mistake := _mistake(self.url)):
            raise ConfigurationError(
                f"--url {mistake}", remedy="Write the service's address alone, such as https://lake.example.com:8282"
            )
        given = {
            "url": self.url,
            "token_variable": self.token_variable,
            "token_file": self.token_file,
            "ca_file": self.ca_file,
        }
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger of the processing engine.

    Attributes:
        name: Its name, unique in a database.
        specification: The trigger specification: `all_tables`, `every:5s`, `request:...`.
        arguments: The trigger arguments.
    """

    name: str
    specification: str
    arguments: Mapping[str, str] = field(default_factory=dict)

    def command(self, database: str) -> str:
        """The `influxdb3` command that creates it."""
        arguments = ",".join(f"{name}={value}" for name, value in self.arguments.items())
        return (
            f"influxdb3 create trigger --database {database} --plugin-filename {PLUGIN.name} "
            f"--trigger-spec '{self.specification}' --trigger-arguments '{arguments}' {self.name}"
        )


def _mistake(url: str) -> str | None:
    """What is wrong with the service's URL. It is not repeated: it may hold a password."""
    parts = urlsplit(url) if web_mistake(url) is None else None
    if parts is None or not parts.hostname:
        return "is not the address of a web server"
    if "@" in parts.netloc:
        return (
            "holds a user or a password, which everybody who may query the database could read in the triggers: the "
            "token belongs into the environment of the database's server (--token-variable), or a file (--token-file)"
        )
    if "?" in url or "#" in url:
        return "holds a query or a fragment"
    return None


def request_path(database: str) -> str:
    """The path of a database's request trigger below `/api/v3/engine/`, which all databases share."""
    return f"influx_lake/{database}"


def triggers_of(lake: Lake, source: str, database: str, telling: Telling) -> tuple[Trigger, ...]:
    """The triggers for a source.

    Args:
        lake: The lake.
        source: The source's name.
        database: Its database.
        telling: How the plugin reaches `influx-lake serve`.

    Raises:
        ConfigurationError: An argument holds a comma, which separates arguments on InfluxDB's command line, or the URL
            is invalid.
    """
    config = lake.source(source)
    table = config.changes.table if isinstance(config, InfluxDB3Config | AutoConfig) and config.changes else None
    arguments = {
        "database": database,
        "source": source,
        "younger_than": str(int(younger_than(lake, source).total_seconds())),
        **({"table": table} if table else {}),
        **telling.arguments(),
    }
    for name, value in arguments.items():
        if "," in value or "\n" in value or "'" in value:
            raise ConfigurationError(f"the argument {name} cannot hold a comma, a quote or a line's end: {value}")
    return (
        Trigger("influx_lake_writes", "all_tables", arguments),
        Trigger("influx_lake_tick", f"every:{TICK}", arguments),
        Trigger("influx_lake_requests", f"request:{request_path(database)}", arguments),
    )


def younger_than(lake: Lake, source: str) -> timedelta:
    """The age up to which the plugin need not report points, because their window is not due yet: half of the shortest
    lag, since the clocks of database and lake may differ.
    """
    lags = [each.lag for each in lake.measurements if source in each.sources]
    lags += [each.options.lag for each in lake.patterns if each.is_for(source) and each.options.lag is not None]
    return min(lags, default=timedelta()) / 2


def find_source(lake: Lake, database: str | None, source: str | None) -> tuple[str, InfluxDB3Config]:
    """The source with a name, or with a database of that name.

    Raises:
        ConfigurationError: There is none, there are several, or it is not an InfluxDB 3.
    """
    if source is not None:
        return source, _version_3_source(lake, source)
    able = {name: config for name, config in lake.sources.items() if isinstance(config, InfluxDB3Config | AutoConfig)}
    found = [name for name, config in able.items() if database in (None, config.database)]
    if len(found) == 1:
        return found[0], _version_3_source(lake, found[0])
    if found:
        raise ConfigurationError(
            f"several sources are meant: {', '.join(found)}", remedy="Name one: --database or --source"
        )
    if database is None:
        raise ConfigurationError("the lake has no source of InfluxDB 3, which the plugin is for")
    databases = [config.database for config in able.values()]
    raise ConfigurationError(
        f"no source of InfluxDB 3 has the database {database}{suggestion(database, databases)}",
        remedy="Add it under `sources` of the lake.yaml, so that what is told has somewhere to go",
    )


def _version_3_source(lake: Lake, name: str) -> InfluxDB3Config:
    config = lake.source(name)
    if isinstance(config, AutoConfig):
        config = config.of_version(3)
    if not isinstance(config, InfluxDB3Config):
        raise ConfigurationError(
            f"the source {name} is of type {config.type}, and the plugin runs inside InfluxDB 3",
            remedy="InfluxDB 1 tells by a subscription: see docs/engine.md",
        )
    return config
