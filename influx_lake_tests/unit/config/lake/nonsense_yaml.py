"""Entries of a lake.yaml as YAML, and as an editor takes them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Raw:
    """A value as it is written in YAML, without quotes."""

    text: str


@dataclass(frozen=True)
class Inline:
    """A value that is written in one line."""

    value: Any


def yaml_lines(name: str, value: Any, depth: int = 0) -> list[str]:
    """An entry in YAML, with a line for every option."""
    pad = "  " * depth
    if isinstance(value, dict) and value and all(isinstance(key, str) for key in value):
        return [f"{pad}{key(name)}:", *(line for each in value for line in yaml_lines(each, value[each], depth + 1))]
    if isinstance(value, list) and value and isinstance(value[0], dict) and value[0]:
        inner = [line for each in value[0] for line in yaml_lines(each, value[0][each], depth + 2)]
        return [f"{pad}{key(name)}:", f"{pad}  -{inner[0][len(pad) + 3 :]}", *inner[1:]]
    return [f"{pad}{key(name)}: {flow(value)}"]


def key(name: str) -> str:
    """A key of a mapping."""
    return name if re.fullmatch(r"[A-Za-z_][\w-]*", name) else json.dumps(name)


def flow(value: Any) -> str:
    """A value in one line."""
    if isinstance(value, Inline):
        return flow(value.value)
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key(name)}: {flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return json.dumps(value)


def plain(value: Any) -> Any:
    """What an editor takes a value for, by the rules of YAML 1.2."""
    if isinstance(value, Inline):
        return plain(value.value)
    if isinstance(value, Raw):
        return _plain_text(value.text)
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def _plain_text(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"[-+]?[0-9]+", text):
        return int(text)
    if re.fullmatch(r"0x[0-9a-fA-F]+|0o[0-7]+", text):
        return int(text, 0)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        return float(text)
    if text in (".inf", ".nan"):
        return float(text[1:])
    return text
