"""Formats points as line protocol, column by column with Arrow kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.restore.lines.dialect import Dialect, Grammar
from influx_lake.restore.lines.point_batch import PointBatch

_NOTHING = pa.scalar(None, pa.string())
_NO_FIELD = "it has no field, and a line needs one"
_LOST_COUNT = (
    "has a line break behind a backslash in a tag, with which the server loses count of quotes: it would take "
    "the rest of the text for a line"
)
_BOOLEANS = pa.array(["false", "true"])


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of some points.

    Attributes:
        texts: A line for each point, with its newline.
        faults: Why points cannot be written, by index; their lines are for display only.
    """

    texts: pa.Array
    faults: dict[int, str] = field(default_factory=dict)


class LineWriter:
    """Formats the points of one measurement as lines.

    Floats have the shortest representation that parses to the same value (Arrow's cast), integers the suffix `i`,
    unsigned ones `u`; times are in nanoseconds.

    Args:
        measurement: The measurement's name.
        dialect: The dialect of the reader.

    Attributes:
        fault: Why no point of the measurement can be written; None where points can.
    """

    def __init__(self, measurement: str, dialect: Dialect) -> None:
        self._dialect = dialect
        self._measurement = dialect.measurement.written(measurement)
        self.fault = dialect.measurement.fault(measurement)

    def lines(self, points: PointBatch) -> Lines:
        """Format points.

        A point cannot be written where a float is NaN or infinite, a tag is empty, a name or tag has characters that
        cannot be escaped, a field has values of two types, or there is no field.
        """
        faults = _Faults(len(points))
        parts: list[pa.Array | pa.Scalar] = [pa.scalar(self._measurement)]
        for name, values in sorted(points.tags.items()):
            if values.null_count < len(values):
                parts.append(self._tag(name, values, faults))
        parts.append(pa.scalar(" "))
        present = [(name, values) for name, values in points.fields if values.null_count < len(values)]
        has_field = _check_fields(present, faults)
        self._check_breaks(points, present, faults)
        written = [self._field(name, values, faults) for name, values in present]
        if written and all(not values.null_count for _, values in present):
            for number, pieces in enumerate(written):
                parts += [*([pa.scalar(",")] if number else []), *pieces]
        elif written:
            parts.append(_joined(written, has_field))
        parts += [pa.scalar(" "), points.times.cast(pa.string()), pa.scalar("\n")]
        texts = pc.binary_join_element_wise(*parts, pa.scalar(""), null_handling="skip")
        return Lines(texts, faults.found)

    def _tag(self, name: str, values: pa.Array, faults: _Faults) -> pa.Array:
        encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
        texts, grammar = encoded.dictionary.cast(pa.string()), self._dialect.tag
        self._check_name("tag", name, grammar, encoded, faults)
        if (wrong := grammar.faults(texts)) is not None:
            faults.add(wrong.take(encoded.indices), f"the tag {name!r} ")
        pairs = pc.binary_join_element_wise(f",{grammar.written(name)}=", grammar.written_all(texts), "")
        return pairs.take(encoded.indices)

    def _field(self, name: str, values: pa.Array, faults: _Faults) -> list[pa.Array | pa.Scalar]:
        grammar = self._dialect.field
        self._check_name("field", name, grammar, values, faults)
        key = f"{grammar.written(name)}="
        kind = values.type
        if pa.types.is_floating(kind):
            values = values.cast(pa.float64())
            finite = pc.is_finite(values)
            if pc.any(pc.invert(finite)).as_py():
                reasons = pc.if_else(finite, _NOTHING, values.cast(pa.string()))
                faults.add(reasons, f"the field {name!r} is no number: ")
            return [pa.scalar(key), values.cast(pa.string())]
        if pa.types.is_boolean(kind):
            return [pa.scalar(key), _BOOLEANS.take(values.cast(pa.int8()))]
        if pa.types.is_integer(kind):
            return [pa.scalar(key), values.cast(pa.string()), pa.scalar("u" if pa.types.is_uint64(kind) else "i")]
        if pa.types.is_dictionary(kind):
            return [pa.scalar(f'{key}"'), self._texts(values.dictionary).take(values.indices), pa.scalar('"')]
        return [pa.scalar(f'{key}"'), self._texts(values), pa.scalar('"')]

    def _texts(self, values: pa.Array) -> pa.Array:
        return self._dialect.text.written_all(values.cast(pa.string()))

    def _check_breaks(self, points: PointBatch, present: Sequence[tuple[str, pa.Array]], faults: _Faults) -> None:
        """Refuse strings with line breaks after tags that make the parser miscount quotes.

        The parser would take the text after the line break for another line.
        """
        misread: list[pa.Array] = []
        for name, values in points.tags.items():
            encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
            if self._dialect.tag.misreads(pa.array([name])) is not None:
                misread.append(values.is_valid())
            elif (found := self._dialect.tag.misreads(encoded.dictionary.cast(pa.string()))) is not None:
                misread.append(pc.fill_null(found.take(encoded.indices), fill_value=False))
        if not misread:
            return
        for name, values in present:
            texts = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
            if pa.types.is_string(texts.type):
                broken = pc.and_(pc.match_substring(texts, "\n"), reduce(pc.or_, misread))
                reasons = pc.if_else(broken, pa.scalar(_LOST_COUNT), _NOTHING)
                faults.add(reasons, f"the field {name!r} ")

    def _check_name(self, kind: str, name: str, grammar: Grammar, values: pa.Array, faults: _Faults) -> None:
        reason = grammar.fault(name)
        if reason is not None:
            present_mask = values.is_valid()
            faults.add(pc.if_else(present_mask, pa.scalar(reason), _NOTHING), f"the name of the {kind} {name!r} ")


class _Faults:
    """Why points cannot be written, the first reason for each."""

    def __init__(self, count: int) -> None:
        self.found: dict[int, str] = {}
        self._count = count

    def add(self, reasons: pa.Array, subject: str = "") -> None:
        """Add a reason for each point, null for none."""
        for place in np.flatnonzero(np.asarray(reasons.is_valid())):
            self.found.setdefault(int(place), subject + reasons[int(place)].as_py())

    def add_all(self, reason: str) -> None:
        """Add the same reason for every point."""
        for place in range(self._count):
            self.found.setdefault(place, reason)


def _check_fields(present: list[tuple[str, pa.Array]], faults: _Faults) -> pa.Array | None:
    """Refuse points without fields, and those with a field of two types.

    Returns:
        Which points have a field; None where all do, or none does.
    """
    if not present:
        faults.add_all(_NO_FIELD)
        return None
    first: dict[str, pa.Array] = {}
    for name, values in present:
        has_field = values.is_valid()
        if name in first:
            twice = pc.if_else(pc.and_(first[name], has_field), pa.scalar("has values of two types"), _NOTHING)
            faults.add(twice, f"the field {name!r} ")
            has_field = pc.or_(first[name], has_field)
        first[name] = has_field
    if any(not values.null_count for _, values in present):
        return None
    has_field = reduce(pc.or_, first.values())
    if pc.all(has_field).as_py():
        return None
    faults.add(pc.if_else(has_field, _NOTHING, pa.scalar(_NO_FIELD)))
    return has_field


def _joined(written: list[list[pa.Array | pa.Scalar]], has_field: pa.Array | None) -> pa.Array:
    """The fields of each point, separated by commas.

    Args:
        written: The formatted parts of each field.
        has_field: Masks of the points that have each field; None: all.
    """
    fields = [pc.binary_join_element_wise(*pieces, pa.scalar("")) for pieces in written]
    if has_field is not None:
        # Given arrays only, Arrow 26 drops the rows that are null in all of them.
        fields[0] = pc.if_else(has_field, fields[0], pa.scalar(""))
    return pc.binary_join_element_wise(*fields, pa.scalar(","), null_handling="skip")
