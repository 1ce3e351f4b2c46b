"""The code location of this clone: the lake of lake.yaml and, while that is the example, an asset built on it.

In a project of your own, which `influx-lake new` writes, such assets lie beside the lake.
"""

import dagster as dg

from influx_lake import definitions as lake_definitions
from influx_lake.cli.project.my_lake.my_lake.defs.quiet_hosts import hosts_of
from influx_lake.config import example_lake
from influx_lake.orchestration.location import current_lake


@dg.definitions
def defs() -> dg.Definitions:
    """The lake's assets, and the hosts that sent fewer points than the others."""
    lake = current_lake()
    is_example = lake.path.read_text(encoding="utf-8") == example_lake()
    hosts = [hosts_of(lake, each) for each in lake.measurements if is_example and each.name == "cpu"]
    return dg.Definitions.merge(lake_definitions.defs(), dg.Definitions(assets=hosts))
