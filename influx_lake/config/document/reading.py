"""Reads a lake.yaml with its includes to plain data, and records the line of each entry.

The sections of all files are merged. The same entry in two files is a mistake, so the order of files never matters.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Any

from influx_lake.config.document.interpolation import interpolate
from influx_lake.config.document.yaml_tree import (
    MAX_DEPTH,
    Entry,
    Mapping,
    Node,
    Scalar,
    Sequence,
    YamlMistake,
    parse_yaml,
)
from influx_lake.config.report.diagnostics import Location, Place, Report, shown_path
from influx_lake.config.report.excerpts import text_mistake

INCLUDE = "include"
MAX_INCLUDES = 50
"""The greatest depth of includes."""
MAX_ENTRIES = 500_000
"""The most entries, against YAML aliases that multiply."""


def read_document(path: Path, report: Report) -> dict[str, Any]:
    """Read a file and its includes; mistakes are reported.

    Returns:
        Sections by name. Values are texts, None, lists and dictionaries.
    """
    reader = _Reader(report)
    reader.read(path, included_from=None)
    return reader.sections


class _Reader:
    def __init__(self, report: Report) -> None:
        self.sections: dict[str, Any] = {}
        self._report = report
        self._seen: set[str] = set()
        self._open: list[Path] = []
        self._entries = 0

    def read(self, path: Path, included_from: Place | None) -> None:
        if included_from and (cycle := self._cycle(path)):
            self._report.mistake((INCLUDE,), cycle, included_from)
            return
        root = self._parse(path, included_from)
        if root is None:
            return
        try:
            self._join(root, path)
        except YamlMistake as mistake:
            self._report.mistake((), mistake.message, Place(path, mistake.line))
            return
        if INCLUDE in root.entries:
            self._open.append(path)
            self._include(root.entries[INCLUDE], path)
            self._open.pop()

    def _cycle(self, path: Path) -> str | None:
        """The mistake that a file includes itself, if it does."""
        identity = os.path.realpath(path)
        begin = next((place for place, each in enumerate(self._open) if os.path.realpath(each) == identity), None)
        if begin is None:
            return None
        chain = [*self._open[begin:], self._open[begin]]
        shown = " -> ".join(map(shown_path, chain))
        what = "a file includes itself" if len(self._open) - begin == 1 else "files include one another in a cycle"
        return f"{what}, {shown}: take one of them out"

    def _parse(self, path: Path, included_from: Place | None) -> Mapping | None:
        try:
            identity = os.path.realpath(path)
            if identity in self._seen:
                return None
            self._seen.add(identity)
            root = parse_yaml(path.read_bytes())
        except (OSError, ValueError) as error:
            location: Location = (INCLUDE,) if included_from else ()
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            self._report.mistake(
                location, f"{shown_path(path)} cannot be read: {reason}", included_from or Place(path, 1)
            )
            return None
        except YamlMistake as mistake:
            self._report.mistake((), mistake.message, Place(path, mistake.line))
            return None
        if root is None or (isinstance(root, Scalar) and root.text is None):
            self._report.mistake((), "the file is empty; `influx-lake init` writes a first one", Place(path, 1))
            return None
        if not isinstance(root, Mapping):
            message = "the file must hold sections such as `sources:` and `measurements:`"
            self._report.mistake((), message, Place(path, root.line))
            return None
        return root

    def _join(self, root: Mapping, path: Path) -> None:
        self._refuse_duplicates(root, (), path)
        for section, entry in root.entries.items():
            if section == INCLUDE:
                continue
            place = Place(path, entry.line)
            if section not in self.sections:
                self._report.places[(section,)] = place
                self.sections[section] = self._build(entry.value, (section,), path)
            elif isinstance(entry.value, Mapping) and isinstance(self.sections[section], dict):
                self._join_section(section, entry.value, path)
            elif not (isinstance(entry.value, Scalar) and entry.value.text is None):
                first = self._report.places[(section,)]
                self._report.mistake((section,), f"is also in {first}; only one of them can be right", place)

    def _join_section(self, section: str, mapping: Mapping, path: Path) -> None:
        known = self.sections[section]
        self._refuse_duplicates(mapping, (section,), path)
        for name, entry in mapping.entries.items():
            location, place = (section, name), Place(path, entry.line)
            if name in known:
                first = self._report.places[location]
                self._report.mistake(location, f"is also in {first}; only one of them can be right", place)
            else:
                self._report.places[location] = place
                known[name] = self._build(entry.value, location, path)

    def _build(self, node: Node, location: Location, path: Path) -> Any:
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            raise YamlMistake(node.line, f"more than {MAX_ENTRIES:,} entries: aliases multiply each other")
        if len(location) > MAX_DEPTH:
            raise YamlMistake(node.line, f"nested deeper than {MAX_DEPTH} levels by aliases")
        if isinstance(node, Scalar):
            return node.text
        if isinstance(node, Sequence):
            for index, item in enumerate(node.items):
                self._report.places[(*location, index)] = Place(path, item.line)
            return [self._build(item, (*location, index), path) for index, item in enumerate(node.items)]
        self._refuse_duplicates(node, location, path)
        built = {}
        for name, entry in node.entries.items():
            self._report.places[(*location, name)] = Place(path, entry.line)
            built[name] = self._build(entry.value, (*location, name), path)
        return built

    def _refuse_duplicates(self, mapping: Mapping, location: Location, path: Path) -> None:
        for name, first, line in mapping.duplicates:
            self._report.mistake((*location, name), f"is already given in line {first}", Place(path, line))

    def _include(self, entry: Entry, path: Path) -> None:
        place = Place(path, entry.line)
        if len(self._open) > MAX_INCLUDES:
            self._report.mistake((INCLUDE,), f"more than {MAX_INCLUDES} files include one another in a row", place)
            return
        named: set[str] = set()
        nodes = entry.value.items if isinstance(entry.value, Sequence) else [entry.value]
        for node in nodes:
            place = Place(path, node.line)
            if not isinstance(node, Scalar) or node.text is None:
                self._report.mistake((INCLUDE,), "must be a list of files, such as [lake.d/*.yaml]", place)
                continue
            twice = "is named twice in this list: take one of them out" if node.text in named else None
            if mistake := text_mistake(node.text) or twice:
                self._report.mistake((INCLUDE,), mistake, place)
                continue
            named.add(node.text)
            location = (INCLUDE, node.text)
            self._report.places[location] = place
            name = interpolate(node.text, location, self._report)
            for file in _files(name, path.parent) if name else []:
                self.read(file, place)


def _files(name: str, base: Path) -> list[Path]:
    """The files that a path or pattern names."""
    # `root_dir`, since a folder's own name may hold characters that glob would expand.
    names = sorted(glob.glob(name, root_dir=base)) if glob.has_magic(name) else [name]
    return [Path(os.path.normpath(base / found)) for found in names]


def raw_text(path: Path, location: tuple[str, ...]) -> str | None:
    """The text at a path of a lake.yaml as it is written; None where there is none.

    Raises:
        ConfigurationProblems: The file cannot be read.
    """
    report = Report(path)
    value: Any = read_document(path, report)
    report.refuse()
    for part in location:
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def place_of(path: Path, location: tuple[str, ...]) -> Place:
    """The file and line of a path; of its nearest existing parent where it does not exist."""
    report = Report(path)
    read_document(path, report)
    return report.place(location)
