"""Bytes are found wherever they are, also at the ends of what is looked at together."""

from __future__ import annotations

import pytest

from influx_lake.arrow import byte_places
from influx_lake.arrow.byte_places import count_of, places_of


@pytest.mark.parametrize("text", [b"", b"a", b"\n", b"a\n\nbc\n", b"\n" * 9, b"abcdefgh\n"])
@pytest.mark.parametrize("at_once", [1, 3, 1 << 17])
def test_places(text: bytes, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byte_places, "_LOOKED_AT", at_once)
    found = [place for place, byte in enumerate(text) if byte == ord("\n")]
    assert places_of(ord("\n"), memoryview(text)).tolist() == found
    assert count_of(ord("\n"), text) == len(found)
