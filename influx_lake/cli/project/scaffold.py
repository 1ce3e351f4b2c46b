"""Writes the project of `influx-lake new` from the template, with its own name."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path

from influx_lake.config import example_lake, lake_json_schema
from influx_lake.config.lake.lake_file import replace_text
from influx_lake.errors import ConfigurationError

_TEMPLATE = "my_lake"
_DEMO = "# What `influx-lake demo --load"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def write_project(folder: Path, *, demo: bool = False) -> list[Path]:
    """Write a project named after its folder; returns its files.

    Args:
        folder: The folder.
        demo: Whether its lake is that of the demonstration; see `demo_lake`.

    Raises:
        ConfigurationError: The folder is not empty, or its name is not valid for a Python package.
        StorageError: A file cannot be written.
    """
    _check(folder)
    texts = dict(_texts(files(__package__) / _TEMPLATE, folder.name))
    texts["lake.yaml"] = demo_lake(folder.name) if demo else _lake(folder.name)
    texts["lake.schema.json"] = json.dumps(lake_json_schema(), indent=2, ensure_ascii=False) + "\n"
    texts["dagster.yaml"] = (files("influx_lake.cli") / "dagster.yaml").read_text(encoding="utf-8")
    for path, text in texts.items():
        replace_text(folder / path, text)
    return [folder / path for path in sorted(texts)]


def _check(folder: Path) -> None:
    name = folder.name
    if _NAME.fullmatch(name) is None or keyword.iskeyword(name):
        raise ConfigurationError(
            f"{name!r} is not a project's name: a small letter, then small letters, digits and _",
            remedy="Write influx-lake new my_lake",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(f"{folder} is already there", remedy="Name a folder that is not")
    if find_spec(name) is not None:
        raise ConfigurationError(
            f"a Python package {name} is installed, which the project would hide", remedy="Take another name"
        )


def demo_lake(name: str) -> str:
    """The example lake.yaml under a project's name, for the demonstration."""
    named = f"\n# What its resources, pools, jobs and sensors begin with.\nname: {name}\n\nsources:\n"
    return example_lake().replace("\nsources:\n", named, 1)


def _lake(name: str) -> str:
    """The example without what only the demonstration needs."""
    text, _, _ = demo_lake(name).partition(f"\n{_DEMO}")
    # With a date there are assets before any server is contacted.
    begin = f"start: {datetime.now(UTC).year}-01-01}}   # the oldest day to load"
    return re.sub(r"start: first_point}.*", begin, text)


def _texts(folder: Traversable, name: str, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield path and text of each file."""
    for each in folder.iterdir():
        if each.name == "__pycache__":
            continue
        path = place + (".gitignore" if each.name == "gitignore" else each.name.replace(_TEMPLATE, name))
        if each.is_dir():
            yield from _texts(each, name, f"{path}/")
        else:
            yield path, each.read_text(encoding="utf-8").replace(_TEMPLATE, name)
