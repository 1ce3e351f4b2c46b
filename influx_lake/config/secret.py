"""Values that nobody may see: held as references, read at the moment of use, taken out of every text that leaves."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from influx_lake.config.references import Template
from influx_lake.config.stores import lake_reference
from influx_lake.errors import ConfigurationError

HIDDEN = "**********"

_revealed: set[str] = set()
_SHORT = 6
_PASSWORD_OPTIONS = frozenset({"password", "passwd", "token", "secret", "sslpassword"})


class Secret:
    """A token, a key, a password.

    It holds what the user wrote (`${INFLUXDB3_TOKEN}`), not the value, unless the user wrote the value itself.
    """

    __slots__ = ("_lake", "_location", "_root", "_template", "_text")

    def __init__(
        self, text: str, *, root: Path | None = None, lake: Path | None = None, location: tuple[str, ...] = ()
    ) -> None:
        """Hold a value, or references to it.

        Args:
            text: What the user wrote.
            root: The folder that relative files are below; the current one by default.
            lake: The lake.yaml that it is written in, if any.
            location: Where it is written there.

        Raises:
            ReferenceMistake: The text holds a `${` that does not start a reference.
        """
        self._text = text
        self._template = Template.parse(text)
        self._root = root or Path.cwd()
        self._lake = lake
        self._location = location

    def reveal(self) -> str:
        """The value, from now on known to `redact`. Empty where the user says so: `${INFLUXDB3_TOKEN:-}`.

        Raises:
            ConfigurationError: A variable is not set, or the file or secret store does not give the value.
        """
        try:
            value = self._template.resolve(self._root)
        except ConfigurationError as error:
            if not self._location:
                raise
            raise ConfigurationError(f"{'.'.join(self._location)}: {error.message}", remedy=error.remedy) from None
        if value:
            _remember(value)
        return value

    @property
    def is_literal(self) -> bool:
        """Whether the value, or a part of it, stands in the text itself."""
        return self._template.has_text

    @property
    def reference(self) -> str:
        """A text that leads to the value and does not hold it, for `resolve_reference_text`.

        Raises:
            ConfigurationError: The value itself was given, and not in a lake.yaml.
        """
        if not self.is_literal:
            return self._text
        if self._lake is None:
            raise ConfigurationError(
                "a secret was given as a value where only a reference may be kept",
                remedy="Give a reference, such as ${INFLUXDB3_TOKEN}",
            )
        return lake_reference(self._lake, *self._location)

    def __repr__(self) -> str:
        return f"Secret({str(self)!r})"

    def __str__(self) -> str:
        return HIDDEN if self.is_literal else self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self._text, self._root) == (other._text, other._root)

    def __hash__(self) -> int:
        return hash((self._text, self._root))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate, serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json")
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}

    @classmethod
    def _validate(cls, value: Any) -> Secret:
        if isinstance(value, Secret):
            return value
        if not isinstance(value, str):
            raise ValueError("must be a text")  # noqa: TRY004  pydantic turns only value errors into findings
        if not value:
            raise ValueError("is empty: give it a value, or leave the option out")
        return cls(value)


def redact(text: str) -> str:
    """Replace every secret that was revealed in this process."""
    # Longest first, so that a secret inside another one does not leave the rest standing.
    for value in sorted(_revealed, key=len, reverse=True):
        if len(value) >= _SHORT:
            text = text.replace(value, HIDDEN)
        else:
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])", HIDDEN, text)
    return text


def leaks(error: BaseException) -> bool:
    """Whether a secret that was revealed in this process stands in an error's traceback, causes included."""
    text = "".join(traceback.format_exception(error))
    return redact(text) != text


def _remember(value: str) -> None:
    values = {value, *_url_passwords(value)}
    spellings: list[Callable[[str], str]] = [
        str,
        lambda text: quote(text, safe=""),
        lambda text: json.dumps(text)[1:-1],
    ]
    _revealed.update(spell(text) for text in values for spell in spellings)


def _url_passwords(value: str) -> set[str]:
    """The passwords of a database address: drivers repeat them without the rest."""
    if "://" not in value:
        return set()
    try:
        parts = urlsplit(value)
        found = {parts.password or "", *(text for name, text in parse_qsl(parts.query) if name in _PASSWORD_OPTIONS)}
    except ValueError:
        return set()
    return {spelling for password in found for spelling in (password, unquote(password)) if spelling}
