"""Generates and writes a lake.yaml."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import chain, count
from pathlib import Path
from typing import Any

from influx_lake.config.document.reading import read_document
from influx_lake.config.lake.loader import load_lake
from influx_lake.config.report.diagnostics import Report
from influx_lake.config.values.patterns import is_pattern
from influx_lake.config.values.validated_names import safe_table_name
from influx_lake.errors import StorageError

_SHORT = 80
CATALOG = """\
# Passed unchanged to pyiceberg's load_catalog.
catalog:
  name: lake
  type: sql
  uri: sqlite:///./.lake/catalog.db
  warehouse: ./.lake/warehouse
"""
"""The default catalog of a generated lake.yaml: a SQLite file beside it."""

_TEXT = """\
# Which measurements of which sources become which Iceberg tables. Every option: docs/configuration.md
{name}
sources:
  default:{source}

{catalog}
defaults:{namespace}
  partition: {{every: day, start: {start}}}   # start: the oldest day to load
  lag: 10m   # how long after its end a partition is due: time for late points
  schema_evolution: add_columns
  on_shrink: fail

measurements:{measurements}
"""


@dataclass(frozen=True, slots=True)
class LakeFile:
    """The content of a new lake.yaml.

    Attributes:
        source: The entry of the source, with references to secrets, never secrets.
        start: The oldest day to load.
        measurements: The measurements, by their names in InfluxDB.
        namespace: The tables' namespace; None for the database's name.
        patterns: Whether the measurements may include patterns.
        name: The lake's name, for several lakes in one Dagster.
    """

    source: Mapping[str, Any]
    start: date
    measurements: tuple[str, ...]
    namespace: str | None = None
    patterns: bool = False
    name: str | None = None

    def text(self) -> str:
        """The file's text."""
        return _TEXT.format(
            name=f"\nname: {_scalar(self.name)}\n" if self.name else "",
            source="".join(f"\n    {name}: {_scalar(value)}" for name, value in self.source.items()),
            catalog=CATALOG,
            start=self.start.isoformat(),
            namespace=f"\n  namespace: {_scalar(self.namespace)}" if self.namespace else "",
            measurements=self._measurements() or " {}",
        )

    def _measurements(self) -> str:
        patterns = [name for name in self.measurements if self.patterns and is_pattern(name)]
        names = tuple(name for name in self.measurements if name not in patterns)
        return measurement_entries(names) + "".join(f"\n  {_scalar(pattern)}: {{}}" for pattern in patterns)


def token_reference(variable: str | None, file: Path | None, root: Path) -> str | None:
    """The reference to a token that is in a file, or else in an environment variable."""
    if file is not None:
        path = file.absolute()
        return f"${{file:{path.relative_to(root) if path.is_relative_to(root) else path}}}"
    return f"${{{variable}}}" if variable else None


def measurement_entries(names: tuple[str, ...], options: dict[str, dict[str, Any]] | None = None) -> str:
    """The lines of `measurements` for some names, with unique keys and tables.

    Args:
        names: Their names in InfluxDB.
        options: Further options by name.
    """
    keys: set[str] = set(names)
    tables: set[str] = set()
    lines = ""
    for name in names:
        key, entry = name, dict[str, Any]()
        if is_pattern(name) or not name.strip():
            key, entry["measurement"] = _unused(safe_table_name(name), keys), escaped(name)
        table = _unused(safe_table_name(key), tables)
        if table != safe_table_name(key):
            entry["table"] = table
        entry.update((options or {}).get(name, {}))
        lines += f"\n  {_scalar(key)}: {_scalar(entry)}"
    return lines


def stored_secret(variable: str) -> str:
    """The reference to a secret that is in an environment variable, or else in a file; the lake.yaml loads without
    either.
    """
    return f"${{{variable}:-${{file:{secret_file(variable)}}}}}"


def secret_file(variable: str) -> Path:
    """The file for a secret that is not in its environment variable, relative to the lake.yaml."""
    return Path(".secrets") / variable.lower()


def section_text(content: Mapping[str, Any]) -> str:
    """Format sections as YAML, short values on one line."""
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


def stated_name(path: Path) -> str | None:
    """The `name` in a lake.yaml; None where there is none, or the file is missing or invalid."""
    name = read_document(path, Report(path)).get("name")
    return name if isinstance(name, str) else None


def write_lake_file(path: Path, file: LakeFile) -> None:
    """Write a lake.yaml after validating it.

    Raises:
        ConfigurationError: It is invalid; nothing is written.
        StorageError: It cannot be written.
    """
    replace_text(path, file.text(), checked=True)


def replace_text(path: Path, text: str, *, checked: bool = False) -> None:
    """Write a file atomically.

    Args:
        path: The file.
        text: The new content.
        checked: Whether it is validated as a lake.yaml first.

    Raises:
        ConfigurationError: It is invalid; nothing is written.
        StorageError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".yaml", delete=False) as file:
            file.write(text)
        temporary = Path(file.name)
        temporary.chmod(0o644)
        try:
            if checked:
                load_lake(temporary)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink()
            raise
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from None


def _unused(name: str, taken: set[str]) -> str:
    """A name made unique by a number, and reserved."""
    candidates = chain([name], (f"{name}_{number}" for number in count(2)))
    unused = next(candidate for candidate in candidates if candidate not in taken)
    taken.add(unused)
    return unused


def escaped(text: str) -> str:
    """A text with `${` escaped, so that it has no references."""
    return text.replace("${", "$${")


def _scalar(value: Any) -> str:
    """A value as YAML on one line."""
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6)
    return text.removesuffix("...\n").removesuffix("\n")
