"""The result of a restore."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window
from influx_lake.restore.verification import VerifiedWindow


@dataclass(slots=True)
class Restored:
    """The result of a restore.

    Attributes:
        measurement: The measurement.
        name: The measurement's name in the target.
        target: The target, for people.
        snapshot_id: The snapshot that was restored.
        windows: The windows.
        not_loaded: Those of them that the lake does not cover completely.
        points: The number of points acknowledged in this attempt.
        size: The bytes of their lines, uncompressed.
        refused: The number of points that were refused in all attempts.
        complete: Whether all windows are written.
        resumed: Whether it continued an earlier attempt.
        dead_letters: The file with the refused points; None where there are none.
        verified: The windows that were read back.
        left_out: Columns of the table that are not part of points, with the reasons.
        remarks: What the source's points had and the restored ones lack.
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
        """Whether the target has every value of the lake; None where it was not verified."""
        return None if self.verified is None else all(each.is_equal for each in self.verified)
