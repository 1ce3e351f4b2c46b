"""Parses the files of a Telegraf configuration to plugins with line numbers."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from influx_lake.errors import ConfigurationError

Place: TypeAlias = tuple[str | int, ...]
_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?\Z")
_KEY = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*'))*)\s*="""
)
_VARIABLE = re.compile(r"\$\{[^{}\n]*\}|\$[A-Za-z_][A-Za-z0-9_]*")
_TEXT_OR_COMMENT = re.compile(
    r"'''(?:.*?)'''|\"\"\"(?:\\.|.)*?\"\"\"|'[^'\n]*'|\"(?:\\.|[^\"\\\n])*\"|#[^\n]*", re.DOTALL
)
_SECTIONS = ("inputs", "outputs", "processors", "aggregators")


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin instance.

    Attributes:
        section: `inputs`, `outputs`, `processors` or `aggregators`.
        name: The plugin's name.
        options: Its options.
        file: The file.
        lines: The line of each option, by path; that of the plugin itself by `()`.
    """

    section: str
    name: str
    options: Mapping[str, Any]
    file: Path
    lines: Mapping[Place, int] = field(repr=False, default_factory=dict)

    @property
    def title(self) -> str:
        """The name with its section: `processors.rename`."""
        return f"{self.section}.{self.name}"

    def line(self, *place: str | int) -> int:
        """The line of an option, or of the nearest enclosing entry."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def tables(self, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """The sub-tables of a name, each with its index."""
        found = self.options.get(name, [])
        yield from enumerate(found if isinstance(found, list) else [found])

    def texts(self, name: str) -> list[str]:
        """An option that is a string or a list of strings, as a list."""
        return texts(self.options.get(name))


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed configuration.

    Attributes:
        plugins: All plugins, in the order of files and lines.
        global_tags: The section `global_tags`.
        agent: The section `agent`.
        files: The files.
    """

    plugins: tuple[Plugin, ...]
    global_tags: Mapping[str, str]
    agent: Mapping[str, Any]
    files: tuple[Path, ...]

    def of(self, section: str) -> tuple[Plugin, ...]:
        """The plugins of a section."""
        return tuple(plugin for plugin in self.plugins if plugin.section == section)

    def processors(self) -> tuple[Plugin, ...]:
        """The processors in order of execution: those without `order` as they are written, then by `order`."""
        return tuple(sorted(self.of("processors"), key=_order))


def read_document(paths: Iterable[Path]) -> Document:
    """Parse the files of a configuration; of a folder, all of its `*.conf`, as `--config-directory` does.

    Raises:
        ConfigurationError: A file is missing, is not TOML, or is not a Telegraf configuration.
    """
    plugins: list[Plugin] = []
    tags: dict[str, str] = {}
    agent: dict[str, Any] = {}
    files = tuple(_files(paths))
    for file in files:
        content, lines = _read(file)
        tags |= {name: str(value) for name, value in _table(content.get("global_tags") or content.get("tags")).items()}
        agent |= _table(content.get("agent"))
        plugins += _plugins(content, lines, file)
    if not (plugins or agent or tags):
        raise ConfigurationError(
            f"{', '.join(map(str, files))}: there is no plugin of Telegraf",
            remedy="Name a configuration of Telegraf, such as /etc/telegraf/telegraf.conf",
        )
    return Document(tuple(plugins), tags, agent, files)


def texts(value: object) -> list[str]:
    """A value that is a string or a list of strings, as a list."""
    if value is None:
        return []
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = sorted(file for file in path.rglob("*.conf") if file.is_file())
            if not found:
                raise ConfigurationError(f"{path} has no *.conf", remedy="Name the folder with Telegraf's files")
            yield from found
        else:
            yield path


def _read(file: Path) -> tuple[dict[str, Any], dict[Place, int]]:
    try:
        text = file.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file} is not UTF-8", remedy="Telegraf wants UTF-8 too: save it so") from None
    text = _quoted_variables(text)
    try:
        return tomllib.loads(text), _lines(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file}: not TOML: {error}", remedy="See what `telegraf config check` says") from None
    except RecursionError:
        raise ConfigurationError(f"{file}: not TOML that can be read: it is nested too deeply") from None


def _quoted_variables(text: str) -> str:
    """The text with bare variables quoted: Telegraf substitutes them before it parses TOML."""
    parts, at = [], 0
    for found in _TEXT_OR_COMMENT.finditer(text):
        parts += [_VARIABLE.sub(r'"\g<0>"', text[at : found.start()]), found[0]]
        at = found.end()
    return "".join([*parts, _VARIABLE.sub(r'"\g<0>"', text[at:])])


def _lines(text: str) -> dict[Place, int]:
    """The line of every table and key."""
    # Strings and comments keep their line breaks, but nothing that could be parsed as a table or key.
    plain = _TEXT_OR_COMMENT.sub(lambda found: _emptied(text, found), text)
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    depth = 0
    for number, line in enumerate(plain.split("\n"), start=1):
        if depth == 0 and (header := _HEADER.match(line)):
            table = _table_place(_keys(header[2]), counts, is_new=header[1] == "[[")
            lines.setdefault(table, number)
            continue
        if depth == 0 and (key := _KEY.match(line)):
            lines.setdefault((*table, *_keys(key[1])), number)
        depth = max(0, depth + line.count("[") + line.count("{") - line.count("]") - line.count("}"))
    return lines


def _emptied(text: str, found: re.Match[str]) -> str:
    rest = text[found.end() : found.end() + 40].lstrip(" \t")
    is_key = "\n" not in found[0] and found[0][0] in "'\"" and rest[:1] in ("=", ".", "]")
    return found[0] if is_key else "\n" * found[0].count("\n")


def _table_place(keys: Place, counts: dict[Place, int], *, is_new: bool) -> Place:
    """The path of a table, with its index in each array of tables."""
    place: Place = ()
    for key in keys[:-1]:
        place = (*place, key)
        if place in counts:
            place = (*place, counts[place])
    place = (*place, keys[-1])
    if is_new:
        counts[place] = counts.get(place, -1) + 1
        return (*place, counts[place])
    return place


def _keys(text: str) -> Place:
    """The parts of a dotted key."""
    content: Any = tomllib.loads(f"{text} = 0")
    keys: list[str | int] = []
    while isinstance(content, dict):
        [(key, content)] = content.items()
        keys.append(key)
    return tuple(keys)


def _plugins(content: Mapping[str, Any], lines: Mapping[Place, int], file: Path) -> Iterator[Plugin]:
    found = []
    for section in _SECTIONS:
        for name, instances in _table(content.get(section)).items():
            listed = isinstance(instances, list)
            for number, options in enumerate(instances if listed else [instances]):
                place: Place = (section, name, number) if listed else (section, name)
                inside = {at[len(place) :]: line for at, line in lines.items() if at[: len(place)] == place}
                if isinstance(options, dict):
                    found.append(Plugin(section, name, options, file, inside))
    # tomllib puts instances of one plugin together: the lines tell in which order they are written.
    yield from sorted(found, key=lambda plugin: plugin.line())


def _order(plugin: Plugin) -> int:
    order = plugin.options.get("order", 0)
    return order if isinstance(order, int) else 0


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
