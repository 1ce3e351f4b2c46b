"""The option `history`: another source for the windows before a point in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from influx_lake.config.values.timestamps import Moment, in_zone
from influx_lake.config.values.validated_names import Text
from influx_lake.config.values.windows import Scheme, Window, utc_text


class HistoryOptions(BaseModel):
    """The windows before a moment come from another source."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    source: Text = Field(description="Which of `sources`.")
    until: Moment = Field(
        description="Windows that end by then come from it, the others from the measurement's own source. It is the "
        "beginning of a partition.",
        examples=["2026-01-01"],
    )


@dataclass(frozen=True, slots=True)
class History:
    """The resolved option.

    Attributes:
        source: The name of the source.
        until: The end of the last window from it.
    """

    source: str
    until: datetime

    @classmethod
    def of(cls, options: HistoryOptions, scheme: Scheme) -> History:
        """Resolve the option.

        Raises:
            ValueError: A window would straddle the point in time.
        """
        until = in_zone(options.until, scheme.timezone)
        window = scheme.window_at(until)
        if window.start != until:
            raise ValueError(
                f"is inside a partition, the one from {utc_text(window.start)} to {utc_text(window.end)}: give one of "
                "its ends"
            )
        return cls(options.source, until)

    def holds(self, window: Window) -> bool:
        """Whether a window comes from this source."""
        return window.end <= self.until

    def split(self, window: Window) -> list[Window]:
        """The window, split where its parts come from different sources."""
        if window.start < self.until < window.end:
            return [Window(window.start, self.until), Window(self.until, window.end)]
        return [window]
