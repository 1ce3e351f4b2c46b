"""The states of a table that the summaries of snapshots no longer tell once other snapshots expired.

A state may be written as what changed since an earlier snapshot; and a snapshot of others says nothing, so that its
state is that of the load before. What these said is kept in a table property when they expire.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from influx_lake.iceberg.own_properties import own_properties

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata

PROPERTY = "influx-lake.kept-states"
"""The table property: a JSON object by snapshot id in hexadecimal, written in the commit that expires snapshots."""


@dataclass(frozen=True, slots=True)
class KeptState:
    """What is kept of a snapshot.

    Attributes:
        text: The state with it, whole, as a summary has it.
        follows: The load that it followed, where others made it.
    """

    text: str
    follows: int | None = None


def kept_states(metadata: TableMetadata) -> Mapping[int, KeptState]:
    """What a table keeps, by snapshot id."""
    return _read(own_properties(metadata).get(PROPERTY, ""))


def property_text(states: Mapping[int, KeptState]) -> str:
    """The value of the property."""
    found = {
        f"{snapshot_id:x}": {"state": each.text} | ({"follows": f"{each.follows:x}"} if each.follows else {})
        for snapshot_id, each in states.items()
    }
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False) if found else ""


@lru_cache(maxsize=16)
def _read(text: str) -> Mapping[int, KeptState]:
    found = json.loads(text) if text else {}
    return {
        int(number, 16): KeptState(each["state"], int(each["follows"], 16) if "follows" in each else None)
        for number, each in found.items()
    }
