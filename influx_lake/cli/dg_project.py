"""Finds the dg project that contains a lake.yaml."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any


def project_options(root: Path) -> dict[str, Any] | None:
    """The project's options; None where the folder is not a project."""
    for name, keys in (("dg.toml", ("project",)), ("pyproject.toml", ("tool", "dg", "project"))):
        try:
            options = tomllib.loads((root / name).read_text(encoding="utf-8"))
            for key in keys:
                options = options[key]
            if isinstance(options["root_module"], str):
                return options
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def code_location(root: Path) -> list[str]:
    """The arguments of Dagster for the project in the folder of a lake.yaml, else for the lake alone."""
    options = project_options(root)
    if options is None:
        return ["-m", "influx_lake.definitions"]
    module = options.get("code_location_target_module", f"{options['root_module']}.definitions")
    return ["-m", str(module), "--working-directory", str(_sources(root))]


def project_of_components(lake: Path) -> Path | None:
    """The project around a lake.yaml whose definitions are components: one with a folder `defs`."""
    for root in lake.parents:
        if options := project_options(root):
            package = _sources(root) / options["root_module"].replace(".", "/")
            return root if (package / "defs").is_dir() else None
    return None


def _sources(root: Path) -> Path:
    return root / "src" if (root / "src").is_dir() else root
