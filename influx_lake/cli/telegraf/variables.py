"""Texts of Telegraf as texts of lake.yaml: its variables become references, secrets never leave it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from influx_lake.config.lake.lake_file import escaped, secret_file, stored_secret

_VARIABLE = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-?+])([^{}]*))?\}|\$([A-Za-z_][A-Za-z0-9_]*)")
_STORED = re.compile(r"@\{([A-Za-z0-9_]+):([A-Za-z0-9_]+)\}")
_ALONE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)[^{}]*\}|\$([A-Za-z_][A-Za-z0-9_]*)")


def lake_text(text: str, unset: str | None = None) -> str:
    """A text as lake.yaml writes it. A lake.yaml loads in any environment: what is not set here gets a default.

    Args:
        text: The text of Telegraf's configuration.
        unset: The value of a variable that is not set and has no default there; None for its name.
    """
    written, at = "", 0
    for found in _VARIABLE.finditer(text):
        written += escaped(text[at : found.start()])
        at = found.end()
        if found[0] == "$$":
            written += "$"
            continue
        name, how, given = found[1] or found[4], found[2] or "", found[3] or ""
        default = given if how.endswith("-") else None
        if default is None and not os.environ.get(name):
            default = name.lower() if unset is None else unset
        written += f"${{{name}}}" if default is None else f"${{{name}:-{escaped(default)}}}"
    return written + escaped(text[at:])


def resolved(text: str) -> str:
    """A text with the values that variables have here; those without any stay."""

    def value(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        default = found[3] if (found[2] or "").endswith("-") else None
        return os.environ.get(found[1] or found[4]) or (found[0] if default is None else default)

    return _VARIABLE.sub(value, text)


def lake_values(value: Any, text: Callable[[str], str] = lake_text) -> Any:
    """An option as lake.yaml writes it."""
    if isinstance(value, dict):
        return {key: lake_values(entry, text) for key, entry in value.items()}
    if isinstance(value, list):
        return [lake_values(entry, text) for entry in value]
    return text(value) if isinstance(value, str) else value


def secret_reference(text: str, usual: str) -> tuple[str, str | None]:
    """How a lake.yaml refers to a secret, and what is to be done for it; nothing where Telegraf's variable has it.

    Args:
        text: What Telegraf's configuration says: a variable, a reference to a secret store, or the secret itself.
        usual: The variable that is named where it has none of its own.
    """
    if (alone := _ALONE.fullmatch(text)) is not None:
        name = alone[1] or alone[2]
        return _reference(name), None if os.environ.get(name) else f"set {name}, or write it into {secret_file(name)}"
    stored = _STORED.fullmatch(text)
    where = f"the value of {stored[0]}" if stored else "it"
    return _reference(usual), f"is not copied: set {usual} to {where}, or write it into {secret_file(usual)}"


def is_stored(text: str) -> bool:
    """Whether a text is kept in a secret store of Telegraf's."""
    return _STORED.search(text) is not None


def _reference(name: str) -> str:
    return f"${{{name}}}" if os.environ.get(name) else stored_secret(name)
