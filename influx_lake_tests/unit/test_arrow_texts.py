"""Texts that are not UTF-8 are found wherever they lie."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.arrow.texts import are_texts

TEXT = st.none() | st.text(max_size=4).map(str.encode) | st.binary(max_size=3)


def as_texts(values: list[bytes | None]) -> pa.StringArray:
    """Bytes that say they are text."""
    return pa.array(values, pa.binary()).view(pa.string())


def is_utf8(value: bytes | None) -> bool:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


@given(st.lists(TEXT, max_size=12), st.integers(0, 12), st.integers(0, 12))
def test_each_text_is_looked_at(values: list[bytes | None], begin: int, count: int) -> None:
    assert are_texts(as_texts(values).slice(min(begin, len(values)), count)) == all(
        map(is_utf8, values[begin : begin + count])
    )


def test_a_letter_cut_in_two() -> None:
    letter = "\u00e9".encode()
    assert not are_texts(as_texts([letter[:1], letter[1:]]))


def test_texts_that_run_backwards() -> None:
    ends = pa.py_buffer(pa.array([0, 3, 1, 3], pa.int32()).to_numpy().tobytes())
    assert not are_texts(pa.StringArray.from_buffers(3, ends, pa.py_buffer(b"abc")))
