"""Formats an import from Telegraf as the text of a lake.yaml."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from influx_lake.cli.telegraf.conversion import Imported
from influx_lake.cli.telegraf.remarks import Remark
from influx_lake.config.lake.lake_file import CATALOG, section_text
from influx_lake.printable import printable_name

_HEAD = """\
# Which measurements of which sources become which Iceberg tables, written from a Telegraf configuration.
# Every option: docs/configuration.md
"""
_TRANSFORMS = """\
#
# Telegraf's processors run before points get into InfluxDB. What is written here in their place is for those who take
# them out of telegraf.conf: InfluxDB then has points as they were gathered, and tables have what processors made of
# them. Points that processors have changed are in InfluxDB as they left them: for those, and while processors still
# run, `influx-lake init --from-telegraf ... --source-only` writes a lake.yaml without.
"""
_SOURCE_ONLY = """\
#
# Processors and aggregators are left to Telegraf, which runs them before points get into InfluxDB: tables have what is
# there.
"""


def lake_file_text(imported: Imported, start: date | None, *, source_only: bool, name: str | None = None) -> str:
    """Format the lake.yaml.

    Args:
        imported: Its parts.
        start: The oldest day to load; None: each measurement's first point.
        source_only: Whether processors and aggregators are left out.
        name: What the lake is called beside other lakes.
    """
    parts = [_HEAD, _SOURCE_ONLY if source_only else _TRANSFORMS]
    parts += _comments("Not carried over", imported.left_out)
    parts += _comments("To be known", imported.notes)
    named = {"name": name} if name else {}
    parts += ["\n", section_text(named | {"sources": imported.sources}), "\n", CATALOG, "\n"]
    fixed = {
        "partition": {"every": "day", "start": start.isoformat() if start else "first_point"},
        "lag": "10m",
        "schema_evolution": "add_columns",
        "on_shrink": "fail",
    }
    parts += [
        section_text({"defaults": fixed | dict(imported.defaults)}),
        "\n",
        section_text({"measurements": imported.measurements}),
    ]
    return "".join(parts)


def _comments(title: str, remarks: Iterable[Remark]) -> Iterator[str]:
    listed = [f"#   {printable_name(str(remark))}\n" for remark in remarks]
    return iter(["#\n", f"# {title}:\n", *listed] if listed else [])
