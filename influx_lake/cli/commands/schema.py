"""`influx-lake schema`."""

from __future__ import annotations

import json
import sys

from influx_lake.cli.options import JsonOption


def schema(as_json: JsonOption = False) -> None:  # noqa: ARG001 - the schema is JSON either way
    """Print the JSON Schema of lake.yaml, for editors."""
    from influx_lake.config import lake_json_schema

    sys.stdout.write(json.dumps(lake_json_schema(), indent=2, ensure_ascii=False) + "\n")
