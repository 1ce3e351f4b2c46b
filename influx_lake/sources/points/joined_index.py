"""What is known of the parts of a file that were taken apart each by itself, as what is known of the whole of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from influx_lake.sources.points.registry import CODES, Registry
from influx_lake.sources.points.staged_file import CHUNKS_SCHEMA, Unit, write_index


def join_indexes(units: Sequence[Unit], folder: Path) -> None:
    """Write what is known of the parts of a file, one behind the other, as what is known of the whole of it.

    Args:
        units: The parts, in their order; there is one at least.
        folder: An empty folder for it.
    """
    registry, joined, runs = Registry(), list[pa.Table](), 0
    facts: dict[str, Any] = {}
    for unit in units:
        owners = [registry.measurement(key.context, key.name) for key in unit.measurements]
        for each in unit.fields:
            registry.field(owners[each.measurement], each.name, CODES[each.type])
        for number, owner in enumerate(owners):
            registry.series_of_all(owner, unit.series(number)[1])
        known = {name: pa.array(numbers) for name, numbers in unit.chunks.items()}
        known["measurement"] = pa.array(owners, pa.int32()).take(known["measurement"])
        known["run"] = pa.array(unit.chunks["run"] + runs, pa.int32())
        runs += int(unit.chunks["run"].max(initial=-1)) + 1
        joined.append(pa.table(known, schema=CHUNKS_SCHEMA))
        for name, fact in unit.facts.items():
            # Numbers are counts; texts tell of the first of what is counted.
            known_before = facts.get(name)
            both = isinstance(fact, int) and isinstance(known_before, int)
            facts[name] = known_before + fact if both else fact if known_before is None else known_before
    write_index(folder, registry, pa.concat_tables(joined), facts)
