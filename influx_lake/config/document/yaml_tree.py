"""Parses YAML to a tree of untyped scalars with line numbers.

Scalars stay text: its meaning depends on the option, not on YAML 1.1's type rules (`no`, `0777`, `12:30`). Built from
libyaml's events, because its composer recurses, and crashes on deep nesting. A reference such as `${VAR}` may stand in
`{host: ${VAR}}` without quotes, which YAML alone would not allow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import yaml

MAX_DEPTH = 50
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_PLAIN_TAGS = frozenset({None, "!", *(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))})
_MERGE = "<<"


# Private-use characters, which YAML allows.
_TO_STAND_IN = {ord(character): 0xF0000 + ord(character) for character in "{}[],"}
_FROM_STAND_IN = {stand_in: character for character, stand_in in _TO_STAND_IN.items()}
_REFERENCE_START = re.compile(r"\$\{")
_REFERENCE_BOUND = re.compile(r"[{}\n\r\"'\\]")


class YamlMistake(Exception):
    """The text is not YAML, or uses YAML that lake.yaml does not allow."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(slots=True)
class Scalar:
    """A scalar as text; None for an empty value or `null`."""

    line: int
    text: str | None


@dataclass(slots=True)
class Sequence:
    """A list."""

    line: int
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Entry:
    """A key with its value."""

    line: int
    value: Node


@dataclass(slots=True)
class Mapping:
    """Entries by key. `duplicates` lists repeated keys: (key, line of the first, line of this one)."""

    line: int
    entries: dict[str, Entry] = field(default_factory=dict)
    duplicates: list[tuple[str, int, int]] = field(default_factory=list)
    merged: list[Mapping] = field(default_factory=list)


Node: TypeAlias = Scalar | Sequence | Mapping
_N = TypeVar("_N", Scalar, Sequence, Mapping)


def parse_yaml(content: bytes) -> Node | None:
    """Parse a single YAML document; None for an empty file.

    Raises:
        YamlMistake: It is not YAML, has several documents, or is nested too deeply.
    """
    try:
        text = _protect(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise YamlMistake(content[: error.start].count(b"\n") + 1, "the file must be UTF-8") from None
    try:
        events = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return _Builder(events).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        raise YamlMistake(
            min(mark.line, text.rstrip("\n").count("\n")) + 1 if mark else 1, f"not YAML: {reason}"
        ) from None
    except yaml.reader.ReaderError as error:
        raise YamlMistake(text[: error.position].count("\n") + 1, f"not YAML: {error.reason}") from None


def _protect(text: str) -> str:
    """Replace YAML's special characters in references within `{}` and `[]` by placeholders."""
    parts, done = [], 0
    for match in _REFERENCE_START.finditer(text):
        end = _reference_end(text, match.start())
        if match.start() >= done and end:
            parts += [text[done : match.start()], text[match.start() : end].translate(_TO_STAND_IN)]
            done = end
    return "".join([*parts, text[done:]])


def _reference_end(text: str, start: int) -> int | None:
    """The end of a reference that starts here, if it ends on its line without characters that YAML escapes."""
    depth = 0
    for match in _REFERENCE_BOUND.finditer(text, start):
        if match[0] not in "{}":
            return None
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return match.end()
    return None


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


class _Builder:
    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events
        self._anchors: dict[str, Node] = {}
        self._open: set[int] = set()

    def document(self) -> Node | None:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise YamlMistake(_line(event), "a second document starts here; a file holds one")
            elif not isinstance(event, yaml.DocumentEndEvent | yaml.StreamStartEvent | yaml.StreamEndEvent):
                root = self._node(event, 1)
        return root

    def _node(self, event: yaml.Event, depth: int) -> Node:
        line = _line(event)
        if depth > MAX_DEPTH:
            raise YamlMistake(line, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, line)
        if not isinstance(event, yaml.ScalarEvent | yaml.SequenceStartEvent | yaml.MappingStartEvent):
            raise YamlMistake(line, "a value was expected here")
        if event.tag not in _PLAIN_TAGS:
            raise YamlMistake(line, f"the YAML tag {event.tag} has no meaning here; leave it out")
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            is_null = event.implicit[0] and event.value in _NULLS
            node = Scalar(line, None if is_null else event.value.translate(_FROM_STAND_IN))
            self._remember(event, node)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._remember(event, Sequence(line))
            self._open.add(id(node))
            while not isinstance(inner := next(self._events), yaml.SequenceEndEvent):
                node.items.append(self._node(inner, depth + 1))
            self._open.discard(id(node))
        else:
            node = self._remember(event, Mapping(line))
            self._open.add(id(node))
            self._fill(node, depth)
            self._open.discard(id(node))
        return node

    def _remember(self, event: yaml.NodeEvent, node: _N) -> _N:
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: yaml.AliasEvent, line: int) -> Node:
        node = self._anchors.get(event.anchor or "")
        if node is None:
            raise YamlMistake(line, f"*{event.anchor} refers to an anchor that is not defined before it")
        if id(node) in self._open:
            raise YamlMistake(line, f"*{event.anchor} stands inside what it refers to")
        return node

    def _fill(self, mapping: Mapping, depth: int) -> None:
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            line = _line(event)
            value = self._node(next(self._events), depth + 1)
            if not isinstance(key, Scalar):
                raise YamlMistake(line, "a key is a text, not a list or a mapping")
            name = key.text if key.text is not None else "null"
            if name == _MERGE:
                mapping.merged.extend(self._merged(value, line))
            elif name in mapping.entries:
                mapping.duplicates.append((name, mapping.entries[name].line, line))
            else:
                mapping.entries[name] = Entry(line, value)
        for source in mapping.merged:
            for name, entry in source.entries.items():
                mapping.entries.setdefault(name, entry)

    @staticmethod
    def _merged(value: Node, line: int) -> list[Mapping]:
        nodes = value.items if isinstance(value, Sequence) else [value]
        sources = [node for node in nodes if isinstance(node, Mapping)]
        if len(sources) < len(nodes):
            raise YamlMistake(line, "<< merges a mapping, or a list of mappings, such as <<: *base")
        return sources
