"""States of snapshots that summaries no longer tell after an expiry, kept in a table property.

A summary may record the state as changes since an earlier snapshot; and other tools' snapshots record none, so that
their state is that of the load before. When those snapshots expire, their state moves to the property.
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
    """The kept state of a snapshot.

    Attributes:
        text: The complete state, as in a summary.
        follows: The load that it followed, where another tool made it.
    """

    text: str
    follows: int | None = None


def kept_states(metadata: TableMetadata) -> Mapping[int, KeptState]:
    """The kept states of a table, by snapshot id."""
    return _read(own_properties(metadata).get(PROPERTY, ""))


def property_text(states: Mapping[int, KeptState]) -> str:
    """Encode states as the value of the property."""
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
