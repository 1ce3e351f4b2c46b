"""Converts outputs that are an InfluxDB to sources."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from influx_lake.cli.telegraf.document import Document, Plugin
from influx_lake.cli.telegraf.filters import VALUE_OPTIONS, NameFilter
from influx_lake.cli.telegraf.remarks import Remarks
from influx_lake.cli.telegraf.variables import is_stored, lake_text, resolved, secret_reference

_OUTPUTS = {"influxdb": 1, "influxdb_v2": 2, "influxdb_v3": 3}
_DEFAULT_URLS = {1: "http://localhost:8086", 2: "http://localhost:8086", 3: "http://localhost:8181"}
_ROUTING = ("database_tag", "bucket_tag", "retention_policy_tag")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_]")
STAND_IN: dict[str, Any] = {
    "type": "auto",
    "host": "${INFLUXDB_HOST:-http://127.0.0.1:8086}",
    "database": "${INFLUXDB_DATABASE:-telegraf}",
    "token": "${INFLUXDB_TOKEN:-${file:.secrets/influxdb_token}}",
}
"""A placeholder source for the user to complete."""


@dataclass(frozen=True, slots=True)
class Output:
    """An InfluxDB that Telegraf writes to.

    Attributes:
        name: The source's name in lake.yaml.
        entry: Its entry.
        names: The measurements that it receives.
        plugin: The output plugin; None for the placeholder.
    """

    name: str
    entry: dict[str, Any]
    names: NameFilter
    plugin: Plugin | None = None


def sources_of(document: Document, remarks: Remarks) -> list[Output]:
    """The sources, the first named `default`; a placeholder where there is no InfluxDB output."""
    found: list[Output] = []
    for plugin in document.of("outputs"):
        if plugin.name not in _OUTPUTS:
            remarks.leave_out(plugin, "is no InfluxDB: Telegraf goes on writing to it")
            continue
        entry = _entry(plugin, _OUTPUTS[plugin.name], remarks)
        if entry is not None:
            database = str(entry.get("bucket") or entry["database"])
            found.append(Output(_name(plugin, database, found), entry, NameFilter.of(plugin), plugin))
    if not found:
        remarks.leave_out_of(
            document.files[0], "outputs", "no output is an InfluxDB that can be read: fill in `sources`"
        )
        found.append(Output("default", dict(STAND_IN), NameFilter((), ())))
    return found


def _name(plugin: Plugin, database: str, others: list[Output]) -> str:
    if not others:
        return "default"
    preferred = _NOT_IN_NAME.sub("_", str(plugin.options.get("alias") or resolved(database))).strip("_") or "influxdb"
    taken = {output.name for output in others}
    name, number = preferred, 2
    while name in taken:
        name, number = f"{preferred}_{number}", number + 1
    return name


def _entry(plugin: Plugin, version: int, remarks: Remarks) -> dict[str, Any] | None:
    urls = plugin.texts("urls") or plugin.texts("url") or [_DEFAULT_URLS[version]]
    address = urlsplit(resolved(urls[0]))
    if address.scheme and address.scheme not in ("http", "https") and not address.scheme.startswith("${"):
        why = f"{address.scheme} takes points and answers no queries: name the server's http address"
        remarks.leave_out(plugin, why, "urls")
        return None
    _note_options(plugin, len(urls), remarks)
    user = address.username or ""
    host = lake_text(urls[0].rstrip("/"), unset=_DEFAULT_URLS[version])
    if user or address.password:
        host = f"{address.scheme}://{address.netloc.rpartition('@')[2]}"
    kind = _kind(version, address.hostname or "", _port(address.netloc))
    entry = {"type": kind, "host": host} | _database(plugin, version, kind, remarks)
    _credentials(plugin, entry, user, remarks)
    _tls(plugin, entry, address.scheme == "https", remarks)
    return entry


def _note_options(plugin: Plugin, addresses: int, remarks: Remarks) -> None:
    if addresses > 1:
        remarks.note(plugin, f"the first of {addresses} addresses is read", "urls")
    for name in _ROUTING:
        if plugin.options.get(name):
            why = "points go where their tags say: a pattern as the database of the source reads several"
            remarks.leave_out(plugin, why, name)
    for name in (*VALUE_OPTIONS, "name_override", "name_prefix", "name_suffix"):
        if plugin.options.get(name):
            remarks.note(plugin, "Telegraf goes on doing this: the points of the source are the result", name)


def _database(plugin: Plugin, version: int, kind: str, remarks: Remarks) -> dict[str, Any]:
    if version != 2:
        found = {"database": _text(plugin, "database", "telegraf" if version == 1 else "", remarks)}
        policy = plugin.options.get("retention_policy")
        return found | ({"retention_policy": lake_text(str(policy))} if policy and kind == "influxdb1" else {})
    found = {"bucket" if kind == "influxdb2" else "database": _text(plugin, "bucket", "", remarks)}
    return found | ({} if kind == "influxdb3" else {"org": _text(plugin, "organization", "", remarks)})


def _kind(version: int, host: str, port: str) -> str:
    if version == 3 or port == "8181" or host.endswith(".influxdb.io"):
        return "influxdb3"
    # InfluxDB Cloud has servers of both kinds at the same addresses.
    return "auto" if host.endswith(".influxdata.com") else f"influxdb{version}"


def _port(netloc: str) -> str:
    return netloc.rpartition("@")[2].rpartition(":")[2]


def _text(plugin: Plugin, option: str, default: str, remarks: Remarks) -> str:
    value = str(plugin.options.get(option) or default)
    if not value:
        remarks.leave_out(plugin, f"says no {option}: fill it in", option)
        return f"${{INFLUXDB_{option.upper()}:-telegraf}}"
    return lake_text(value, unset=default or "telegraf")


def _credentials(plugin: Plugin, entry: dict[str, Any], user: str, remarks: Remarks) -> None:
    kind = str(entry["type"])
    prefix = "INFLUXDB" if kind == "auto" else kind.upper()
    user = user or str(plugin.options.get("username") or "")
    option = "token" if plugin.options.get("token") else "password"
    secret = str(plugin.options.get(option) or "")
    if kind in ("influxdb2", "influxdb3") or option == "token":
        reference, task = secret_reference(secret, f"{prefix}_TOKEN")
        entry["token"] = reference
        place = option
    elif user:
        entry["username"] = f"${{{prefix}_USERNAME:-telegraf}}" if is_stored(user) else lake_text(user)
        entry["password"], task = secret_reference(secret, f"{prefix}_PASSWORD")
        place = "password"
    else:
        return
    if task:
        remarks.leave_out(plugin, task if secret else task.replace("is not copied: set", "is not there: set"), place)


def _tls(plugin: Plugin, entry: dict[str, Any], secure: bool, remarks: Remarks) -> None:
    names = {"tls_ca": "ca_file", "tls_cert": "cert_file", "tls_key": "key_file"}
    given = {to: lake_text(str(plugin.options[name])) for name, to in names.items() if plugin.options.get(name)}
    if not secure:
        return
    if plugin.options.get("insecure_skip_verify"):
        entry["tls"] = {"verify": False}
        if given:
            remarks.leave_out(plugin, "without a check of the certificate there is nothing to do for them", "tls_ca")
    elif given:
        entry["tls"] = given
