"""Builds and validates the entry of `sources` that `influx-lake init` writes, from its options."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influx_lake.config.lake.lake_file import escaped, token_reference
from influx_lake.errors import AuthenticationFailed, ConfigurationError, SourceUnavailable

if TYPE_CHECKING:
    from influx_lake.config import SourceConfig
    from influx_lake.config.report.diagnostics import Problem
    from influx_lake.sources.listing import Listing
    from influx_lake.sources.protocol import Source

_TOKENS = {
    "influxdb3": ("INFLUXDB3_TOKEN",),
    "influxdb2": ("INFLUXDB2_TOKEN", "INFLUX_TOKEN"),
    "influxdb1": ("INFLUXDB1_TOKEN",),
    "auto": ("INFLUXDB_TOKEN",),
}
_PASSWORD = "INFLUXDB1_PASSWORD"  # noqa: S105 - a name
_FLAGS = {
    "type": "--type",
    "host": "--host",
    "database": "--database",
    "bucket": "--bucket",
    "org": "--org",
    "retention_policy": "--retention-policy",
    "path": "--path",
    "location": "--path",
    "username": "--username",
    "password": "--password-env or --password-file",
    "token": "--token-env or --token-file",
}
_PORTS = (8086, 8181)


@dataclass(frozen=True, slots=True)
class Keeper:
    """Where a secret is kept: in an environment variable or in a file."""

    variable: str | None = None
    file: Path | None = None

    def reference(self, root: Path, usual: Iterable[str] = ()) -> str | None:
        """The reference to the secret in a lake.yaml; None where nothing is known about it.

        Args:
            root: The folder.
            usual: The default environment variables; the first that is set is used.
        """
        variable = self.variable or next((name for name in usual if os.environ.get(name)), None)
        return token_reference(variable, self.file, root)


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """The options of `init` that describe a source.

    Attributes:
        kind: The source's type; None: whichever InfluxDB answers at the host.
        database: The database, or bucket.
        paths: The files.
        options: Options with their names in lake.yaml, such as `host` and `org`; None where not given.
        token: Where the token is kept.
        password: Where the password is kept.
        more: Further options, as `NAME=VALUE` or `NAME.INNER=VALUE`.
    """

    kind: str | None
    database: str | None
    paths: Sequence[str]
    options: Mapping[str, str | None]
    token: Keeper
    password: Keeper
    more: Sequence[str]

    def source(self, lake: Path) -> NewSource:
        """Build the source, for a lake.yaml at a path.

        Raises:
            ConfigurationError: Options are missing, unknown or wrong.
            SourceError: The server's version cannot be determined.
        """
        if self.kind is not None:
            return self._with_type(self.kind, self.options.get("host"), lake)
        if self.options.get("host") is None:
            raise ConfigurationError(
                "nothing says what the source is",
                remedy="Give --host for a server, or --type line_protocol, landing_zone or influxdb3_parquet with "
                "--path for files",
            )
        host, version = self._found(lake)
        return self._with_type(f"influxdb{version}", host, lake)

    def _with_type(self, kind: str, host: str | None, lake: Path) -> NewSource:
        from influx_lake.config import ConfigurationProblems, lake_of

        entry = self._entry(kind, host, lake.parent)
        try:
            checked = lake_of({"sources": {"default": entry}}, lake)
        except ConfigurationProblems as error:
            raise _usage_error(kind, error.problems) from None
        if checked.groups:
            raise ConfigurationError(
                "init lists the measurements of one database, and a pattern stands for many",
                remedy="Name one; write the pattern into the lake.yaml then, and run influx-lake discover",
            )
        return NewSource(entry, checked.sources["default"])

    def _entry(self, kind: str, host: str | None, root: Path) -> dict[str, Any]:
        """The entry of `sources`."""
        from influx_lake.config.connections import SOURCE_TYPES, ServerConfig

        model = SOURCE_TYPES.get(kind)
        database = model.DATABASE_OPTION if model is not None and issubclass(model, ServerConfig) else "database"
        given = {**self.options, "host": host, database: self.database}
        entry: dict[str, Any] = {"type": kind}
        entry |= {name: escaped(value) for name, value in given.items() if value is not None}
        if paths := [_relative_to_lake(path, root) for path in self.paths]:
            entry["location" if kind == "influxdb3_parquet" else "path"] = paths[0] if len(paths) == 1 else paths
        has_user = "username" in entry
        secrets = {
            "password": self.password.reference(root) or (token_reference(_PASSWORD, None, root) if has_user else None),
            "token": self.token.reference(root, () if has_user else _TOKENS.get(kind, ())),
        }
        entry |= {name: reference for name, reference in secrets.items() if reference is not None}
        return _with_options(entry, self.more)

    def _found(self, lake: Path) -> tuple[str, int]:
        """The server's address and version; where no port is given, InfluxDB's default ports are tried."""
        from influx_lake.config import lake_of
        from influx_lake.config.connections import AutoConfig
        from influx_lake.config.values.address import Address
        from influx_lake.sources.detection import version_of

        written = str(self.options["host"])
        addresses = dict.fromkeys(Address.parse(written, port).url for port in _PORTS)
        hosts = [written] if len(addresses) == 1 else list(addresses)
        failures: list[SourceUnavailable] = []
        for host in hosts:
            # What the version needs is checked when it is known.
            probe = {"type": "auto", "host": escaped(host), "database": "unknown"}
            config = lake_of({"sources": {"default": _with_options(probe, _tls(self.more))}}, lake).sources["default"]
            assert isinstance(config, AutoConfig)
            try:
                return host, version_of(config)
            except SourceUnavailable as error:
                failures.append(error)
        first = failures[0]
        if len(hosts) > 1:
            first.remedy = (
                f"Check that the server runs; where it has another port than {_PORTS[0]} or {_PORTS[1]}, give it"
            )
        raise first


@dataclass(frozen=True, slots=True)
class NewSource:
    """A source to be written.

    Attributes:
        entry: Its entry in the lake.yaml.
        config: The validated configuration.
    """

    entry: Mapping[str, Any]
    config: SourceConfig

    def listing(self) -> Listing:
        """Its measurements now.

        Raises:
            SourceError: It cannot be listed.
        """
        from influx_lake.sources.listing import listing_of

        with self._opened() as source:
            return listing_of(source)

    def first_time(self, measurements: Iterable[str]) -> datetime | None:
        """The time of the oldest point of some measurements; None where they have none.

        Raises:
            SourceError: It cannot be asked.
        """
        with self._opened() as source:
            times = [time for name in measurements if (time := source.first_time(name)) is not None]
            return min(times, default=None)

    @contextmanager
    def _opened(self) -> Iterator[Source]:
        from influx_lake.sources import open_source

        with closing(open_source(self.config)) as source:
            try:
                yield source
            except AuthenticationFailed as error:
                if not {"token", "password"} & self.entry.keys():
                    error.remedy = _credentials(str(self.entry["type"]))
                raise


def _credentials(kind: str) -> str:
    if kind == "influxdb1":
        return f"Give --username, and set ${_PASSWORD}, or name its variable with --password-env"
    variable = _TOKENS[kind][0]
    return f"Set ${variable}, or name another variable with --token-env, or a file with --token-file"


def _usage_error(kind: str, problems: Iterable[Problem]) -> ConfigurationError:
    """The validation errors in terms of command-line options."""
    said, flags = [], []
    for problem in problems:
        inside = problem.location[2:]
        name = ".".join(map(str, inside))
        said.append(f"{name}: {problem.message}" if name else problem.message)
        flags.append(_FLAGS.get(name, f"--set {name}=VALUE" if name else "--type"))
    return ConfigurationError(
        f"type {kind}: {'; '.join(said)}",
        remedy=f"See {', '.join(dict.fromkeys(flags))} of `influx-lake init --help`",
    )


def _with_options(entry: dict[str, Any], more: Iterable[str]) -> dict[str, Any]:
    """The entry with further options: `precision=s`, `tls.ca_file=ca.pem`, `tags=[host, region]`."""
    import yaml

    for text in more:
        name, separator, value = text.partition("=")
        if not separator or not name.strip():
            raise ConfigurationError(f"--set {text!r} is not NAME=VALUE", remedy="Write --set precision=s")
        try:
            read = yaml.load(value, yaml.BaseLoader)  # noqa: S506 - texts, lists and mappings only
        except yaml.YAMLError:
            raise ConfigurationError(f"--set {name}: the value is no YAML", remedy="Quote it for YAML") from None
        outer, _, inner = name.strip().partition(".")
        if not inner:
            entry[outer] = read
            continue
        held = entry.setdefault(outer, {})
        if not isinstance(held, dict):
            raise ConfigurationError(
                f"--set {name}: {outer} is a value of its own, with nothing below it",
                remedy=f"Write --set {outer}=VALUE",
            )
        held[inner] = read
    return entry


def _tls(more: Iterable[str]) -> list[str]:
    return [text for text in more if text.startswith("tls.")]


def _relative_to_lake(path: str, root: Path) -> str:
    """The path, relative to the lake.yaml's folder."""
    if "://" in path:
        return escaped(path)
    absolute = Path(path).expanduser().absolute()
    return escaped(str(absolute.relative_to(root) if absolute.is_relative_to(root) else absolute))
