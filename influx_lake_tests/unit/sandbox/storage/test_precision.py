from __future__ import annotations

import pytest

from influx_lake.sandbox.storage.precision import Precision, guess


@pytest.mark.parametrize(
    ("spelling", "precision"),
    [
        ("s", Precision.SECOND),
        ("second", Precision.SECOND),
        ("ms", Precision.MILLISECOND),
        ("us", Precision.MICROSECOND),
        ("u", Precision.MICROSECOND),
        ("n", Precision.NANOSECOND),
        ("nanosecond", Precision.NANOSECOND),
        ("auto", Precision.AUTO),
    ],
)
def test_spellings(spelling: str, precision: Precision) -> None:
    assert Precision.parse(spelling) is precision


def test_an_unknown_spelling_is_named() -> None:
    with pytest.raises(ValueError, match="unrecognized precision unit: fortnight"):
        Precision.parse("fortnight")


@pytest.mark.parametrize(
    ("timestamp", "precision"),
    [
        (1_708_473_600, Precision.SECOND),
        (4_999_999_999, Precision.SECOND),
        (5_000_000_000, Precision.MILLISECOND),
        (1_708_473_601_000, Precision.MILLISECOND),
        (1_708_473_602_000_000, Precision.MICROSECOND),
        (1_708_473_603_000_000_000, Precision.NANOSECOND),
        (-1_708_473_600, Precision.SECOND),
        (0, Precision.SECOND),
    ],
)
def test_auto_guesses_by_magnitude(timestamp: int, precision: Precision) -> None:
    assert guess(timestamp) is precision
