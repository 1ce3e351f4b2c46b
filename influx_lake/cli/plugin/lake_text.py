"""Formats an import from the plugin as the text of a lake.yaml."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap

from influx_lake.cli.plugin.conversion import Imported
from influx_lake.config.lake.lake_file import secret_file, section_text
from influx_lake.printable import printable_name

_WIDTH = 112
_HEAD = """\
# Which measurements of which sources become which Iceberg tables, written from triggers of influxdb_to_iceberg.
# Every option: docs/configuration.md
#
# To be set, a secret as a variable or in the file:
"""
_CHANGES = """\
#
# What is different from the plugin:
"""


def lake_file_text(imported: Imported, name: str | None = None) -> str:
    """Format the lake.yaml.

    Args:
        imported: Its parts.
        name: What the lake is called beside other lakes.
    """
    head = [_HEAD, *_comments(to_set(imported)), _CHANGES, *_comments(map(str, imported.changes)), "\n"]
    sections = {
        "sources": imported.sources,
        "catalog": imported.catalog,
        "defaults": imported.defaults,
        "measurements": imported.measurements,
    }
    parts = [section_text({section: content}) for section, content in sections.items()]
    named = [section_text({"name": name}) + "\n"] if name else []
    return "".join([*head, *named, "\n".join(parts)])


def to_set(imported: Imported) -> Iterator[str]:
    """The environment variables to set, one line for each."""
    for variable, unset in imported.places.items():
        yield f"{variable}: {unset} where it is not set"
    for each in imported.credentials:
        yield f"{each.variable}, or {secret_file(each.variable)}: {each.origin}"


def _comments(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        parts = wrap(printable_name(line), _WIDTH, break_long_words=False, break_on_hyphens=False)
        yield from (f"#   {'' if number == 0 else '  '}{part}\n" for number, part in enumerate(parts))
