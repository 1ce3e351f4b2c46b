"""The definitions load. No server is asked."""

import dagster as dg

from my_lake.definitions import defs


def test_the_definitions_load() -> None:
    definitions = defs()

    dg.Definitions.validate_loadable(definitions)
    assert dg.AssetKey(["telemetry", "cpu"]) in definitions.resolve_all_asset_keys()
