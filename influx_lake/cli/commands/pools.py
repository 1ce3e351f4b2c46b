"""The command `influx-lake pools`."""

from __future__ import annotations

from typing import Annotated

import typer

from influx_lake.cli.options import ConfigOption, JsonOption
from influx_lake.cli.output import counted, output


def pools(
    set_limits: Annotated[
        bool, typer.Option("--set", help="Set the limits on the Dagster instance of $DAGSTER_HOME, or of this lake.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show the limits on sources and tables as Dagster pools, or set them."""
    from influx_lake.config import load_lake
    from influx_lake.orchestration.pools import pool_limits, set_pools

    with output(as_json) as out:
        lake = load_lake(config)
        limits = pool_limits(lake)
        changed: dict[str, int] = {}
        if set_limits:
            from influx_lake.cli.dagster_dev import dagster_instance

            with dagster_instance(lake) as instance:
                changed = set_pools(instance, lake)
        out.result({"pools": limits, "changed": changed})
        if not limits:
            out.line("lake.yaml states no limits: `pools: {influxdb: 4, table: 1}` would.")
        elif set_limits:
            out.line(f"✓ {counted(len(limits), 'pool')}, {counted(len(changed), 'limit')} changed")
        else:
            out.line("# dagster.yaml, for runs to be held back by pools; limits are kept by the instance:")
            out.line("concurrency:\n  pools:\n    granularity: run")
            for pool, limit in limits.items():
                out.line(f"dagster instance concurrency set {pool} {limit}")
        return 0
