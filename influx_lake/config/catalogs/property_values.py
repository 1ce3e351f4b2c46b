"""Validates values of pyiceberg's properties: numbers, booleans, URLs, and properties that need others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping

from influx_lake.config.references.secret import Secret
from influx_lake.config.report.diagnostics import suggestion
from influx_lake.config.values.locations import web_mistake
from influx_lake.config.values.units import parse_number, parse_whole_number

_YES_OR_NO = ("y", "yes", "t", "true", "on", "1", "n", "no", "f", "false", "off", "0")
_CLASS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
_KEY_PAIRS = ("s3", "client", "glue", "dynamodb")
_KEY_HALVES = ("access-key-id", "secret-access-key")
_AZURE_CLIENT = ("adls.tenant-id", "adls.client-id", "adls.client-secret")
_GOOGLE_TOKEN, _GOOGLE_EXPIRY = "gcs.oauth2.token", "gcs.oauth2.token-expires-at"


def value_mistakes(entries: Mapping[str, str | Secret]) -> Iterator[tuple[str, str]]:
    """The invalid values: options, each with what would be right.

    Args:
        entries: pyiceberg's properties.
    """
    for name, value in entries.items():
        check = _CHECKS.get(name)
        if check is None or isinstance(value, Secret):
            continue
        try:
            mistake = check(value)
        except ValueError as error:
            mistake = str(error)
        if mistake:
            yield name, mistake
    yield from _incomplete(entries)
    if "py-catalog-impl" in entries and "type" in entries:
        yield "py-catalog-impl", "names the catalog's class, and so does `type`: leave one of them out"


def _incomplete(entries: Mapping[str, str | Secret]) -> Iterator[tuple[str, str]]:
    """Properties that do nothing, or fail, without another one."""
    for prefix in _KEY_PAIRS:
        for here, other in (_KEY_HALVES, _KEY_HALVES[::-1]):
            # Properties of `client` are defaults for all the others.
            pairs = _KEY_PAIRS if prefix == "client" else (prefix, "client")
            if _is_set(entries, f"{prefix}.{here}") and not any(f"{each}.{other}" in entries for each in pairs):
                yield f"{prefix}.{here}", f"needs the other half of the pair of keys: set `{prefix}.{other}` too"
    given = [name for name in _AZURE_CLIENT if _is_set(entries, name)]
    missing = [name for name in _AZURE_CLIENT if name not in entries]
    if given and missing:
        yield given[0], f"belongs together with the two others: set {' and '.join(f'`{each}`' for each in missing)} too"
    if _is_set(entries, _GOOGLE_TOKEN) and "py-io-impl" not in entries and _GOOGLE_EXPIRY not in entries:
        yield _GOOGLE_TOKEN, f"is not taken without its expiry: set `{_GOOGLE_EXPIRY}` too, in milliseconds since 1970"


def _is_set(entries: Mapping[str, str | Secret], name: str) -> bool:
    """Whether a property is certainly set: a secret may be optional, `${S3_KEY:-}`."""
    value = entries.get(name)
    # A literal has no reference to show.
    may_be_empty = isinstance(value, Secret) and not value.is_literal and ":-" in value.reference
    return value is not None and not may_be_empty


def _whole(least: int) -> Callable[[str], str | None]:
    def check(value: str) -> str | None:
        return f"must be at least {least}" if parse_whole_number(value) < least else None

    return check


def _seconds(value: str) -> str | None:
    return "must be more than 0: it counts seconds" if parse_number(value) <= 0 else None


def _switch(value: str) -> str | None:
    return None if value.lower() in _YES_OR_NO else "is not one of true, false"


def _one_of(*known: str) -> Callable[[str], str | None]:
    def check(value: str) -> str | None:
        return None if value in known else f"is not one of {', '.join(known)}{suggestion(value, known)}"

    return check


def _web(value: str) -> str | None:
    if "://" not in value:
        return "is no address: write one that starts with http:// or https://"
    return web_mistake(value) and "is not the address of a web server: write one such as https://s3.example.com"


def _class(value: str) -> str | None:
    return (
        None if _CLASS.fullmatch(value) else "is no class of Python: write its full name, such as package.module.Class"
    )


def _json_object(value: str) -> str | None:
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    return None if isinstance(found, dict) else 'is not a JSON object, such as {"proxy": "http://proxy:3128"}'


_CHECKS: dict[str, Callable[[str], str | None]] = {
    **dict.fromkeys(
        (
            "auth.oauth2.token_url",
            "dynamodb.endpoint",
            "gcs.service.host",
            "glue.endpoint",
            "hf.endpoint",
            "oauth2-server-uri",
            "s3.endpoint",
            "s3.proxy-uri",
            "s3.signer.uri",
        ),
        _web,
    ),
    **dict.fromkeys(
        ("lock-check-max-wait-time", "lock-check-min-wait-time", "s3.connect-timeout", "s3.request-timeout"), _seconds
    ),
    **dict.fromkeys(
        (
            "adls.anon",
            "gcs.requester-pays",
            "gcs.version-aware",
            "glue.skip-archive",
            "hive.hive2-compatible",
            "hive.kerberos-authentication",
            "rest.sigv4-enabled",
            "s3.anonymous",
            "s3.force-virtual-addressing",
            "s3.resolve-region",
            "view-endpoints-supported",
        ),
        _switch,
    ),
    "adls.blob-storage-scheme": _one_of("http", "https"),
    "adls.dfs-storage-scheme": _one_of("http", "https"),
    "auth.type": _one_of("basic", "custom", "entra", "google", "legacyoauth2", "noop", "oauth2"),
    "auth.impl": _class,
    "auth.oauth2.expires_in": _whole(1),
    "auth.oauth2.refresh_margin": _whole(0),
    _GOOGLE_EXPIRY: _whole(1),
    "gcs.session-kwargs": _json_object,
    "glue.max-retries": _whole(0),
    "glue.retry-mode": _one_of("standard", "adaptive", "legacy"),
    "hdfs.port": _whole(1),
    "lock-check-retries": _whole(1),
    "py-catalog-impl": _class,
    "py-io-impl": _class,
    "rest-page-size": _whole(1),
    "rest.sigv4.max-retries": _whole(0),
    "scan-planning-mode": _one_of("client", "server"),
    "snapshot-loading-mode": _one_of("all", "refs"),
}
