"""The precision of written timestamps."""

from __future__ import annotations

from enum import Enum

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1


class Precision(Enum):
    """The nanoseconds of one unit of a timestamp; AUTO guesses the unit from the magnitude."""

    AUTO = 0
    SECOND = 1_000_000_000
    MILLISECOND = 1_000_000
    MICROSECOND = 1_000
    NANOSECOND = 1

    @classmethod
    def parse(cls, text: str) -> Precision:
        """Parse the spellings of the v3, v2 and v1 interfaces.

        Raises:
            ValueError: with the server's message for an unknown one.
        """
        try:
            return _SPELLINGS[text]
        except KeyError:
            raise ValueError(f"unrecognized precision unit: {text}") from None

    def nanoseconds(self, timestamp: int) -> int:
        """Convert one timestamp. The result may exceed 64 bits."""
        return timestamp * (self if self is not Precision.AUTO else guess(timestamp)).value


GUESSES = (
    (5_000_000_000, Precision.SECOND),
    (5_000_000_000_000, Precision.MILLISECOND),
    (5_000_000_000_000_000, Precision.MICROSECOND),
)
"""A timestamp with a magnitude below the bound is assumed to have this precision, otherwise nanoseconds."""


def guess(timestamp: int) -> Precision:
    """The server's guess for `precision=auto`."""
    return next((precision for bound, precision in GUESSES if abs(timestamp) < bound), Precision.NANOSECOND)


_SPELLINGS = {
    "auto": Precision.AUTO,
    **dict.fromkeys(("s", "second"), Precision.SECOND),
    **dict.fromkeys(("ms", "millisecond"), Precision.MILLISECOND),
    **dict.fromkeys(("us", "u", "µ", "microsecond"), Precision.MICROSECOND),
    **dict.fromkeys(("ns", "n", "nanosecond"), Precision.NANOSECOND),
}
