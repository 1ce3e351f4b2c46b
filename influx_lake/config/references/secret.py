"""`Secret`: a value kept as a reference, read when used, and redacted everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from influx_lake.config.redaction import HIDDEN, leaks, redact, remember
from influx_lake.config.references.resolving import Template
from influx_lake.config.references.stores import lake_reference
from influx_lake.config.report.excerpts import LONGEST_PROSE, text_mistake
from influx_lake.errors import ConfigurationError

__all__ = ["HIDDEN", "Secret", "leaks", "redact"]


class Secret:
    """A token, key or password, kept as a reference.

    It holds the reference (`${INFLUXDB3_TOKEN}`), or the value where the user wrote that.
    """

    __slots__ = ("_lake", "_location", "_root", "_template", "_text")

    def __init__(
        self, text: str, *, root: Path | None = None, lake: Path | None = None, location: tuple[str, ...] = ()
    ) -> None:
        """Hold a reference, or a value.

        Args:
            text: What the user wrote.
            root: The base of relative paths; default: the current folder.
            lake: The lake.yaml that it is written in, if any.
            location: Its path there.

        Raises:
            ReferenceMistake: The text contains a `${` that does not start a reference.
        """
        self._text = text
        self._template = Template.parse(text)
        self._root = root or Path.cwd()
        self._lake = lake
        self._location = location

    def reveal(self) -> str:
        """Read the value and register it for `redact`. It may be empty: `${INFLUXDB3_TOKEN:-}`.

        Raises:
            ConfigurationError: A variable is not set, or the file or secret store does not have the value.
        """
        try:
            pieces = list(self._template.pieces(self._root))
        except ConfigurationError as error:
            if not self._location:
                raise
            raise ConfigurationError(f"{'.'.join(self._location)}: {error.message}", remedy=error.remedy) from None
        value = "".join(text for text, _ in pieces)
        if value:
            remember(value, [text for text, referenced in pieces if referenced and text])
        return value

    @property
    def is_literal(self) -> bool:
        """Whether the value, or a part of it, is written out."""
        return self._template.has_text

    @property
    def written(self) -> str:
        """The text without its references."""
        return "".join(part for part in self._template.parts if isinstance(part, str))

    @property
    def beginning(self) -> str:
        """The text before the first reference: the scheme of a URL, not its password."""
        first = self._template.parts[0] if self._template.parts else ""
        return first.rpartition("@")[0] or first if isinstance(first, str) and "://" in first else ""

    @property
    def mistake(self) -> str | None:
        """What is wrong with a written-out value; private keys may have several lines."""
        if not self.is_plain:
            return None
        reason = text_mistake(self._text, lines=True, longest=LONGEST_PROSE)
        return reason and f"the value {reason}"

    @property
    def is_plain(self) -> bool:
        """Whether the text has no references."""
        return self._template.is_plain

    @property
    def reference(self) -> str:
        """A reference to the value, from which an equal `Secret` can be made.

        Raises:
            ConfigurationError: The value was given outside of a lake.yaml.
        """
        if not self.is_literal:
            return self._text
        if self._lake is None:
            raise ConfigurationError(
                "a secret was given as a value where only a reference may be kept",
                remedy="Give a reference, such as ${INFLUXDB3_TOKEN}",
            )
        return lake_reference(self._lake, *self._location)

    @property
    def unresolved(self) -> str:
        """The text as the user wrote it: for those alone who know that no secret stands in it; see `holds_secret`."""
        return self._text

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """What another process gets: the reference, which it resolves itself; never the value.

        Raises:
            ConfigurationError: As for `reference`.
        """
        return _opened_elsewhere, (self.reference, self._root, self._lake, self._location)

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


def _opened_elsewhere(text: str, root: Path, lake: Path | None, location: tuple[str, ...]) -> Secret:
    return Secret(text, root=root, lake=lake, location=location)
