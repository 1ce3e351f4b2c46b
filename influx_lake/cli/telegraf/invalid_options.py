"""Removes from a converted lake.yaml what does not validate, with remarks: Telegraf allows more
than tables can hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from influx_lake.cli.telegraf.conversion import Imported
from influx_lake.cli.telegraf.outputs import STAND_IN
from influx_lake.cli.telegraf.remarks import Remark
from influx_lake.config import ConfigurationProblems, lake_of
from influx_lake.config.report.diagnostics import Location, path_text


def settled(imported: Imported, lake: Path, file: Path) -> Imported:
    """The parts of an import that validate as a lake.yaml; the rest becomes remarks.

    Args:
        imported: The parts.
        lake: The path of the lake.yaml.
        file: The configuration, for mistakes whose place is not known more closely.

    Raises:
        ConfigurationProblems: A mistake is not in what was converted.
    """
    sections = {"sources": _copy(imported.sources), "defaults": _copy(imported.defaults)}
    sections["measurements"] = _copy(imported.measurements)
    left_out = list(imported.left_out)
    while True:
        try:
            lake_of(sections, lake)
        except ConfigurationProblems as error:
            for problem in error.problems:
                if not _removed(sections, problem.location):
                    raise
                left_out.append(Remark(file, 1, f"lake.yaml: {path_text(problem.location)}", problem.message))
        else:
            break
    return replace(
        imported,
        sources=sections["sources"],
        defaults=sections["defaults"],
        measurements=sections["measurements"],
        left_out=tuple(left_out),
    )


def _removed(sections: dict[str, Any], location: Location) -> bool:
    """Remove the innermost entry that a mistake is about; all entries of a source."""
    if len(location) >= 2 and location[0] == "sources":
        if sections["sources"].get(location[1]) == STAND_IN:
            return False
        sections["sources"][location[1]] = dict(STAND_IN)
        return True
    around: dict[Any, Any] = sections
    name = location[0] if location else ""
    for part in location[1:]:
        inner = around.get(name)
        if not isinstance(inner, dict) or part not in inner:
            break
        around, name = inner, part
    return around is not sections and around.pop(name, None) is not None


def _copy(value: Any) -> Any:
    return {key: _copy(entry) for key, entry in value.items()} if isinstance(value, Mapping) else value
