"""The parts that the run of a large window requests from other runs, as tags."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from influx_lake.config.values.windows import Window, merged

SPLIT = "influx_lake/split"
"""The tag of a run that requests parts of its windows from other runs."""
_ASKED = "influx_lake/parts."
PART_OF = "influx_lake/part_of"
"""The tag of a run that writes a part of a window: the id of the request."""
PART = "influx_lake/part"
"""The part that such a run writes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Parts of a window that other runs may write.

    Attributes:
        id: A unique id.
        measurement: The measurement's full name.
        window: The window.
        left: The time of the parts that no run has begun, merged.
        with_nanoseconds: Whether their rows get the column of nanoseconds.
    """

    id: str
    measurement: str
    window: Window
    left: tuple[Window, ...]
    with_nanoseconds: bool

    def tags(self, parts: Sequence[Window]) -> dict[str, str]:
        """The tags that publish the parts.

        Args:
            parts: The parts that are left.
        """
        said = {
            "measurement": self.measurement,
            "window": str(self.window),
            "left": [str(window) for window in merged(parts)],
            "with_nanoseconds": self.with_nanoseconds,
        }
        return {SPLIT: "true", f"{_ASKED}{self.id}": json.dumps(said)}


def wanted_of(run: dg.DagsterRun) -> Iterator[Wanted]:
    """The parts that a run requests from others."""
    for tag, value in run.tags.items():
        if tag.startswith(_ASKED):
            said = json.loads(value)
            left = tuple(map(Window.parse, said["left"]))
            window, nanoseconds = Window.parse(said["window"]), said["with_nanoseconds"]
            yield Wanted(tag.removeprefix(_ASKED), said["measurement"], window, left, nanoseconds)
