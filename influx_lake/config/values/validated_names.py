"""Validates names: of tables, owners, tags, groups."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

# Dagster's own rules, checked here so that a mistake has a line; a test compares them with Dagster's.
_EMAIL = re.compile(r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Z|a-z]{2,7}\b")
_TAG_KEY = re.compile(r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}")
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.-]{0,63}")
_GROUP = re.compile(r"[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*")
_NOT_IN_TABLE = re.compile(r"[^A-Za-z0-9_-]")
_TABLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,199}")


@dataclass(frozen=True)
class Form:
    """A validator of a string's form.

    Attributes:
        pattern: The form, as a regular expression of JSON Schema (ECMA 262), for editors.
        words: The mistake in words, completing "is not ...".
    """

    pattern: str
    words: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": self.pattern}

    def _checked(self, value: str) -> str:
        # `$` of Python also stands before a line break at the end.
        if re.fullmatch(self.pattern.removeprefix("^").removesuffix("$"), value) is None:
            raise ValueError(f"is not {self.words}")
        return value


def _name(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if pattern.fullmatch(value) is None:
            raise ValueError(f"is not {what}")
        return value

    return AfterValidator(check)


def _check_namespace(value: str) -> str:
    if not all(_TABLE.fullmatch(part) for part in value.split(".")):
        raise ValueError("is not a namespace: letters, digits, _ and -, with dots between its parts, such as plant.raw")
    return value


def _check_owner(value: str) -> str:
    if _EMAIL.fullmatch(value) is None and not (value.startswith("team:") and len(value) > len("team:")):
        raise ValueError("is not an owner: write an e-mail address, or team:name")
    return value


def _check_tag_key(value: str) -> str:
    if value.startswith("dagster/"):
        raise ValueError("is Dagster's own: tags that start with dagster/ are set by the lake")
    if _TAG_KEY.fullmatch(value) is None:
        raise ValueError("is not a tag: letters, digits, _, - and . (at most 63), optionally after a prefix and a /")
    return value


Text = Annotated[str, Field(min_length=1)]
Owner = Annotated[str, AfterValidator(_check_owner)]
TagKey = Annotated[str, AfterValidator(_check_tag_key)]
TagValue = Annotated[str, _name(_TAG_VALUE, "a tag's value: letters, digits, _, - and . (at most 63)")]
TableName = Annotated[str, _name(_TABLE, "a table's name: letters, digits, _ and - (at most 200)"), Field(pattern=None)]
Namespace = Annotated[str, AfterValidator(_check_namespace)]
Group = Annotated[str, _name(_GROUP, "a group: letters, digits and _, with / between levels")]


def safe_table_name(name: str) -> str:
    """A table name for a measurement: characters that table names cannot have become `_`."""
    safe = _NOT_IN_TABLE.sub("_", name)
    # A leading dash reads as a minus sign or an option nearly everywhere.
    return "_" + safe[1:] if safe.startswith("-") else safe
