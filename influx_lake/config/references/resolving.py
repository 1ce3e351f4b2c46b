"""Parses and resolves references: `${VAR}`, `${VAR:-default}`, `${file:path}`.

A default may hold references itself; `$${` stands for a literal `${`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from influx_lake.config.references.stores import STORES, USER_STORES, look_up
from influx_lake.config.report.diagnostics import suggestion
from influx_lake.errors import ConfigurationError

_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(:-)?")
_STORE = re.compile(r"([A-Za-z][A-Za-z0-9-]*):")
_MAX_DEPTH = 20


class ReferenceMistake(ValueError):
    """An invalid `${...}`. The message does not repeat the text, which may be a secret."""


@dataclass(frozen=True, slots=True)
class Variable:
    """`${NAME}` or `${NAME:-default}`; as in a shell, the default also replaces an empty value."""

    name: str
    default: Template | None

    def pieces(self, root: Path) -> Iterator[tuple[str, bool]]:
        value = os.environ.get(self.name)
        if not value and self.default is not None:
            yield from self.default.pieces(root)
            return
        if not value:
            raise ConfigurationError(
                f"the environment variable {self.name} is not set, or empty",
                remedy=f"Set it, or give a default: ${{{self.name}:-...}}",
            )
        yield value, True


@dataclass(frozen=True, slots=True)
class Lookup:
    """`${store:what}`: a value in a file or secret store."""

    store: str
    key: Template

    def pieces(self, root: Path) -> Iterator[tuple[str, bool]]:
        yield look_up(self.store, self.key.resolve(root), root), True


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed text with references."""

    parts: tuple[str | Variable | Lookup, ...]

    @classmethod
    def parse(cls, text: str, stores: Container[str] = STORES) -> Template:
        """Parse a text.

        Args:
            text: The text.
            stores: The stores that it may refer to.

        Raises:
            ReferenceMistake: It contains a `${` that does not start a reference.
        """
        return _Parser(text, stores).parse()

    def resolve(self, root: Path) -> str:
        """The text with all references resolved; relative files are below `root`.

        Raises:
            ConfigurationError: A variable is not set, or a store does not have the value.
        """
        return "".join(text for text, _ in self.pieces(root))

    def pieces(self, root: Path) -> Iterator[tuple[str, bool]]:
        """The parts of the resolved text, each with whether it is a reference's value.

        Raises:
            ConfigurationError: As for `resolve`.
        """
        for part in self.parts:
            if isinstance(part, str):
                yield part, False
            else:
                yield from part.pieces(root)

    def missing_variables(self) -> Iterator[str]:
        """The variables without default that are not set."""
        for part in self.parts:
            if isinstance(part, Lookup):
                yield from part.key.missing_variables()
            elif isinstance(part, Variable):
                if part.default is None and not os.environ.get(part.name):
                    yield part.name
                elif part.default is not None and not os.environ.get(part.name):
                    yield from part.default.missing_variables()

    @property
    def is_plain(self) -> bool:
        """Whether it has no references."""
        return all(isinstance(part, str) for part in self.parts)

    @property
    def has_text(self) -> bool:
        """Whether a part of the value is written in it, including defaults."""
        return any(
            part.default is not None and part.default.has_text if isinstance(part, Variable) else bool(part)
            for part in self.parts
            if not isinstance(part, Lookup)
        )

    @property
    def needs_store(self) -> bool:
        """Whether resolving may read a file or secret store."""
        return any(
            isinstance(part, Lookup)
            or (isinstance(part, Variable) and part.default is not None and part.default.needs_store)
            for part in self.parts
        )


class _Parser:
    def __init__(self, text: str, stores: Container[str]) -> None:
        self._text = text
        self._stores = stores
        self._at = 0

    def parse(self) -> Template:
        return self._template(depth=0)

    def _template(self, depth: int) -> Template:
        """Parse to the end, or within a reference to its closing brace, which is not consumed."""
        if depth > _MAX_DEPTH:
            raise ReferenceMistake(f"references nested deeper than {_MAX_DEPTH} levels")
        parts: list[str | Variable | Lookup] = []
        literal = ""
        while self._at < len(self._text) and not (depth and self._text[self._at] == "}"):
            if self._text.startswith("$${", self._at):
                literal += "${"
                self._at += 3
            elif self._text.startswith("${", self._at):
                self._at += 2
                parts += [literal, self._reference(depth)]
                literal = ""
            else:
                literal += self._text[self._at]
                self._at += 1
        return Template(tuple(part for part in [*parts, literal] if part != ""))

    def _reference(self, depth: int) -> Variable | Lookup:
        variable = _VARIABLE.match(self._text, self._at)
        store = _STORE.match(self._text, self._at)
        reference: Variable | Lookup
        if variable and (variable[2] or self._text.startswith("}", variable.end())):
            self._at = variable.end()
            reference = Variable(variable[1], self._template(depth + 1) if variable[2] else None)
        elif store and store[1] in self._stores:
            self._at = store.end()
            reference = Lookup(store[1], self._template(depth + 1))
            if not reference.key.parts:
                raise ReferenceMistake(f"${{{store[1]}:}} does not say what to look up")
        elif store:
            raise ReferenceMistake(
                f"${{{store[1]}:...}} is not a reference that is known{suggestion(store[1], USER_STORES)}: "
                f"write ${{VAR}}, ${{VAR:-default}} or ${{store:...}} with one of {', '.join(USER_STORES)}"
            )
        else:
            raise ReferenceMistake(
                "${ does not start a reference: write ${VAR}, ${VAR:-default} or ${file:path}, or $${ for a literal ${"
            )
        if not self._text.startswith("}", self._at):
            raise ReferenceMistake("a ${ is not closed by }")
        self._at += 1
        return reference
