"""The text of a lake.yaml that comes of a Telegraf configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from influx_lake.cli.telegraf.importing import Imported
from influx_lake.cli.telegraf.places import Remark
from influx_lake.config.lake.lake_file import CATALOG
from influx_lake.printable import printable_name

_SHORT = 80
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
    """The text.

    Args:
        imported: What it is to say.
        start: The oldest day to load; None for where the first point of each measurement is.
        source_only: Whether processors and aggregators are left out.
        name: What the lake is called beside other lakes.
    """
    parts = [_HEAD, _SOURCE_ONLY if source_only else _TRANSFORMS]
    parts += _told("Not carried over", imported.left_out)
    parts += _told("To be known", imported.notes)
    named = {"name": name} if name else {}
    parts += ["\n", _yaml(named | {"sources": imported.sources}), "\n", CATALOG, "\n"]
    fixed = {
        "partition": {"every": "day", "start": start.isoformat() if start else "first_point"},
        "lag": "10m",
        "schema_evolution": "add_columns",
        "on_shrink": "fail",
    }
    parts += [
        _yaml({"defaults": fixed | dict(imported.defaults)}),
        "\n",
        _yaml({"measurements": imported.measurements}),
    ]
    return "".join(parts)


def _told(title: str, remarks: Iterable[Remark]) -> Iterator[str]:
    listed = [f"#   {printable_name(str(remark))}\n" for remark in remarks]
    return iter(["#\n", f"# {title}:\n", *listed] if listed else [])


def _yaml(content: dict[str, Any]) -> str:
    """The content as people write YAML: what is short in one line."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - equal parts are written again, not referred to
            return True

        def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
            node = super().represent_mapping(tag, mapping, flow_style)
            node.flow_style = (
                not any(isinstance(value, dict) for value in mapping.values()) and len(str(mapping)) < _SHORT
            )
            return node

        def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
            node = super().represent_sequence(tag, sequence, flow_style)
            node.flow_style = True
            return node

    text: str = yaml.dump(_plain(content), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10**6)
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value
