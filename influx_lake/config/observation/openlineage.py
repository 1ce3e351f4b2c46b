"""The section `openlineage`: the transport of lineage events."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from influx_lake.config.catalogs.options import is_secret_name
from influx_lake.config.references.secret import Secret
from influx_lake.config.report.diagnostics import Location, suggestion
from influx_lake.config.values.locations import scheme_of, web_mistake
from influx_lake.config.values.validated_names import Text

TRANSPORT = "transport"
"""The option whose strings are all kept as `Secret`s, since any may be one."""
NEEDED = {
    "http": ("url",),
    "async_http": ("url",),
    "kafka": ("topic", "config"),
    "file": ("log_file_path",),
    "composite": ("transports",),
    "console": (),
}
"""The known transports, with the options they need."""
_CLASS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def _check(value: dict[str, Any]) -> dict[str, Any]:
    kind = _plain(value.get("type"))
    if kind is None:
        raise ValueError("needs a `type`: " + ", ".join(NEEDED))
    if kind not in NEEDED and _CLASS.fullmatch(kind) is None:
        known = f"is not one of {', '.join(NEEDED)}{suggestion(kind, NEEDED)}"
        raise ValueError(f"type: {kind!r} {known}; the class of another one is written as package.module.Class")
    missing = [name for name in NEEDED.get(kind, ()) if not value.get(name)]
    if missing:
        raise ValueError(f"of type {kind} needs `{missing[0]}`")
    url = _plain(value.get("url"))
    if url is not None and "url" in NEEDED.get(kind, ()) and (scheme_of(url) is None or web_mistake(url)):
        raise ValueError("url: is not the address of a web server: write one such as https://marquez.example.com")
    return value


def _plain(value: Any) -> str | None:
    """A string without references."""
    if isinstance(value, Secret):
        return value.written if value.is_plain else None
    return value if isinstance(value, str) else None


def closed(value: Any, location: Location, close: Callable[[str, Location], Secret]) -> Any:
    """A transport with its strings as `Secret`s.

    Args:
        value: The transport, or a part of it.
        location: Its path.
        close: Makes a `Secret` of a text and its path.
    """
    if isinstance(value, dict):
        return {name: closed(inner, (*location, str(name)), close) for name, inner in value.items()}
    if isinstance(value, list):
        return [closed(inner, (*location, str(place)), close) for place, inner in enumerate(value)]
    return close(value, location) if isinstance(value, str) and value else value


class OpenLineageOptions(BaseModel):
    """Where lineage events of loads go. Nowhere, unless there is a `transport`."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    transport: Annotated[
        dict[str, Any], AfterValidator(_check), WithJsonSchema({"type": "object", "required": ["type"]})
    ] = Field(
        description="OpenLineage's own options of a transport, handed to its client as they are: `type` (http, kafka, "
        "file, ...) and what belongs to it.",
        examples=[
            {
                "type": "http",
                "url": "https://marquez.example.com",
                "auth": {"type": "api_key", "apiKey": "${OPENLINEAGE_KEY}"},
            }
        ],
    )
    namespace: Text | None = Field(
        default=None, description="The namespace of its jobs. Default: the lake's name, else influx_lake."
    )

    @property
    def kind(self) -> str:
        """The transport's type."""
        return _plain(self.transport["type"]) or ""

    @property
    def prints(self) -> bool:
        """Whether events also or only go to the process's log."""
        return "console" in _kinds(self.transport)

    def client_config(self, root: Path) -> dict[str, Any]:
        """The configuration of OpenLineage's client: secrets read, numbers and booleans typed, paths absolute.

        Args:
            root: The base of relative paths.

        Raises:
            ConfigurationError: A secret cannot be read.
        """
        transport = _revealed("", self.transport)
        path = transport.get("log_file_path")
        if isinstance(path, str) and "://" not in path:
            transport["log_file_path"] = str(root / path)
        # The client would add the address of the git repository that it is started in.
        return {"transport": transport, "facets": {"source_code_location": {"disabled": True}}}


def _kinds(transport: Any) -> Iterator[str | None]:
    """The types of a transport and of the transports in it."""
    if isinstance(transport, Mapping):
        yield _plain(transport.get("type"))
        parts = transport.get("transports")
        for each in parts.values() if isinstance(parts, Mapping) else parts or ():
            yield from _kinds(each)


def _revealed(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _revealed(key, inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_revealed(name, inner) for inner in value]
    if isinstance(value, Secret) and value.is_plain and not _may_be_secret(name, value.written):
        # What is revealed is taken out of every text from then on, and this is no secret.
        return _typed(value.written)
    text = value.reveal() if isinstance(value, Secret) else value
    return text if is_secret_name(name) else _typed(text)


def _may_be_secret(name: str, text: str) -> bool:
    return is_secret_name(name) or ("://" in text and "@" in text)


def _typed(text: Any) -> Any:
    """A value as number or boolean where it is one: in lake.yaml every value is a string."""
    if not isinstance(text, str):
        return text
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text
