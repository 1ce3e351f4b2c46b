"""Which values of a lake.yaml are resolved when they are used, not at load time."""

from __future__ import annotations

from influx_lake.config.catalogs.options import is_secret_name
from influx_lake.config.lake.alerts import SECRETS as ALERT_SECRETS
from influx_lake.config.maintenance.engines import CONF as ENGINE_CONF
from influx_lake.config.maintenance.engines import SECRETS as ENGINE_SECRETS
from influx_lake.config.observation.metrics import PUSH
from influx_lake.config.observation.openlineage import TRANSPORT
from influx_lake.config.report.diagnostics import Location

_SOURCE_SECRETS = ("token", "password")


def is_deferred(location: Location) -> bool:
    """Whether the value at a path is resolved when it is used."""
    if location[0] == "catalog":
        return location[1:] not in (("name",), ("type",), ("storage",))
    if location[0] == "storage":
        return is_secret_name(str(location[-1]))
    if location[0] == "sources":
        name = str(location[-1])
        return name in _SOURCE_SECRETS or (location[2:-1] == ("storage",) and is_secret_name(name))
    return (
        (location[0] == "alerts" and location[1:] in ALERT_SECRETS)
        or (location[0] == "engines" and (location[1:] in ENGINE_SECRETS or location[1:3] == ENGINE_CONF))
        or location[:2] in (("serve", "tokens"), ("openlineage", TRANSPORT), ("metrics", *PUSH))
    )
