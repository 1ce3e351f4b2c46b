"""Converts Telegraf's environment variables and secrets to references of lake.yaml; secrets are never copied."""

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
    """A string with Telegraf's variables as references. Those without a value here get a default, so that the lake.yaml
    loads.

    Args:
        text: The string in Telegraf's configuration.
        unset: The default of a variable without value and default; None: the variable's name.
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
    """A string with variables substituted by their values here; others stay."""

    def value(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        default = found[3] if (found[2] or "").endswith("-") else None
        return os.environ.get(found[1] or found[4]) or (found[0] if default is None else default)

    return _VARIABLE.sub(value, text)


def lake_values(value: Any, text: Callable[[str], str] = lake_text) -> Any:
    """An option's value, converted."""
    if isinstance(value, dict):
        return {key: lake_values(entry, text) for key, entry in value.items()}
    if isinstance(value, list):
        return [lake_values(entry, text) for entry in value]
    return text(value) if isinstance(value, str) else value


def secret_reference(text: str, usual: str) -> tuple[str, str | None]:
    """The reference to a secret, and a remark on what has to be set; None where Telegraf's own variable has it.

    Args:
        text: The string in Telegraf's configuration: a variable, a reference to a secret store, or the secret itself.
        usual: The variable to refer to where it has none.
    """
    if (alone := _ALONE.fullmatch(text)) is not None:
        name = alone[1] or alone[2]
        return _reference(name), None if os.environ.get(name) else f"set {name}, or write it into {secret_file(name)}"
    stored = _STORED.fullmatch(text)
    where = f"the value of {stored[0]}" if stored else "it"
    return _reference(usual), f"is not copied: set {usual} to {where}, or write it into {secret_file(usual)}"


def is_stored(text: str) -> bool:
    """Whether a string refers to a secret store of Telegraf."""
    return _STORED.search(text) is not None


def _reference(name: str) -> str:
    return f"${{{name}}}" if os.environ.get(name) else stored_secret(name)
