"""What became of a restore."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window
from influx_lake.restore.verification import VerifiedWindow


@dataclass(slots=True)
class Restored:
    """What became of a restore.

    Attributes:
        measurement: The measurement.
        name: What it is called in the target.
        target: The target, in words.
        snapshot_id: The snapshot whose points they are.
        windows: The windows.
        not_loaded: Those of them that the lake does not hold as a whole.
        points: How many points were sent and taken this time.
        size: How many bytes their lines have.
        refused: How many points of all tries were not taken.
        complete: Whether all windows are written.
        resumed: Whether an earlier try was gone on with.
        dead_letters: The file with the points that were not taken; None where all were.
        verified: The windows that were read back; None: none was.
        left_out: Columns of the table that are no part of points, and why.
        remarks: What the points lack that the source had.
    """

    measurement: Measurement
    name: str
    target: str
    snapshot_id: int
    windows: tuple[Window, ...]
    not_loaded: tuple[Window, ...] = ()
    points: int = 0
    size: int = 0
    refused: int = 0
    complete: bool = True
    resumed: bool = False
    dead_letters: Path | None = None
    verified: tuple[VerifiedWindow, ...] | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool | None:
        """Whether the target has every value of the lake; None: nobody looked."""
        return None if self.verified is None else all(each.is_equal for each in self.verified)
