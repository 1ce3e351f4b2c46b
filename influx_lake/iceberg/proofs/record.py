"""Records which time of a table was proved equal to its source, value by value: kept in the table itself.

A record tells what was proved, as of the snapshot that was read. Later commits do not update it: when it is read,
`changed_time` determines from the snapshots since what still holds. So no writer can change a window and leave its
proof valid. Before snapshots expire, their changes are noted in the record.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from influx_lake.arrow.digests import Digest
from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.values.windows import Window, merged, parse_moment, utc_text
from influx_lake.iceberg.own_properties import own_properties
from influx_lake.iceberg.table_state.coverage import Coverage, at_most, parse_windows

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata

PROPERTY = "influx-lake.proved"
"""The table property: a JSON object, by measurement where the table holds several."""
MOST_RANGES = 48
"""The largest number of ranges per measurement: the shortest are removed first."""
MOST_PARTS = 24
"""The largest number of changed parts noted per range; beyond it, those with the smallest gaps are merged."""
MOST_STALE = 24
"""The largest number of parts kept that are no longer proved: the newest."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A range of windows that was proved.

    Attributes:
        window: From the start of the first window to the end of the last one.
        at: When it was proved; of several windows the earliest.
        snapshot_id: The snapshot whose rows have the digest.
        rows: The number of these rows.
        digest: The digest of these rows; see `arrow.digests.combined`.
        algorithm: The algorithm of the digest.
        version: The version of influx_lake that computed it.
        key: The columns that identify rows, where they are not the time and the tags; else empty.
        left_out: The columns that were not compared.
        changed: The parts whose rows changed since: the digest covers the rows before that.
    """

    window: Window
    at: datetime
    snapshot_id: int
    rows: int
    digest: str
    algorithm: str
    version: str
    key: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    changed: tuple[Window, ...] = ()

    @property
    def valid(self) -> tuple[Window, ...]:
        """The parts of the range that are still proved."""
        return Coverage((self.window,)).losing(self.changed).intervals

    @property
    def sum(self) -> Digest:
        """The digest, for arithmetic."""
        return Digest.parse(self.rows, self.digest)

    def touches(self, later: Proof) -> bool:
        """Whether a later proof is adjacent, and both can be merged."""
        return (
            self.window.end == later.window.start
            and not (self.changed or later.changed)
            and (self.algorithm, self.key, self.left_out) == (later.algorithm, later.key, later.left_out)
        )


@dataclass(frozen=True, slots=True)
class Stale:
    """A part that was proved and no longer is.

    Attributes:
        window: The part.
        why: What happened, for people.
        at: When it was proved.
    """

    window: Window
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Proofs:
    """The proofs of a measurement.

    Attributes:
        ranges: The proved ranges, oldest first.
        stale: The parts that are no longer proved.
        as_of: The snapshot for which both hold; changes by later snapshots are not included.
    """

    ranges: tuple[Proof, ...] = ()
    stale: tuple[Stale, ...] = ()
    as_of: int | None = None

    @property
    def valid(self) -> tuple[Window, ...]:
        """The time that is proved, oldest first, adjacent windows merged."""
        return merged(part for each in self.ranges for part in each.valid)

    def hold(self, window: Window) -> bool:
        """Whether all of a window is proved."""
        return Coverage(self.valid).holds(window)

    def losing(self, windows: Iterable[Window], why: str) -> Proofs:
        """The proofs that remain after rows changed, in the table or at the source.

        Args:
            windows: The time in which they changed.
            why: What changed them, for people.
        """
        lost = merged(windows)
        ranges, stale = list[Proof](), list[Stale]()
        for each in self.ranges:
            hit = Coverage(each.valid).within(lost).intervals
            stale += [Stale(part, why, each.at) for part in hit]
            changed = at_most(merged((*each.changed, *hit)), MOST_PARTS) if hit else each.changed
            if changed != (each.window,):
                ranges.append(replace(each, changed=changed))
        return replace(self, ranges=tuple(ranges), stale=_newest((*self.stale, *stale))) if stale else self

    def adding(self, proofs: Sequence[Proof], earlier: Mapping[Window, Digest] | None = None) -> Proofs:
        """The proofs after windows were proved.

        If a window lies in a range, and its rows differ from those of the range's proof, the range gets its new digest
        where the digest of the earlier rows is known; elsewhere the window gets a proof of its own.

        Args:
            proofs: The windows' proofs; their rows are those of the snapshot `as_of`.
            earlier: The digests of windows in the snapshots of the ranges that they lie in.
        """
        ranges = list(self.ranges)
        for new in _joined(sorted(proofs, key=lambda each: each.window), self.as_of):
            kept = list[Proof]()
            is_known = False
            for each in ranges:
                part = _overlap(each.window, new.window)
                if part is None:
                    kept.append(each)
                elif part == new.window and Coverage(each.valid).holds(part):
                    # The rows are those of the range's proof.
                    is_known = True
                    kept.append(each)
                elif part != each.window:
                    changed = merged((*each.changed, part))
                    kept.append(replace(each, changed=at_most(changed, MOST_PARTS)))
            ranges = kept if is_known else [*kept, new]
            ranges.sort(key=lambda each: each.window)
            ranges = [*_joined(_mended(ranges, earlier or {}, self.as_of), self.as_of)]
        added = [each.window for each in proofs]
        stale = (
            replace(each, window=part)
            for each in self.stale
            for part in Coverage((each.window,)).losing(added).intervals
        )
        found = replace(self, ranges=tuple(ranges), stale=_newest(stale))
        while len(found.ranges) > MOST_RANGES:
            found = found._without_shortest()
        return found

    def _without_shortest(self) -> Proofs:
        shortest = min(self.ranges, key=lambda each: each.window.end - each.window.start)
        why = f"no more than {MOST_RANGES} ranges apart are kept: prove what lies between them"
        stale = (Stale(part, why, shortest.at) for part in shortest.valid)
        left = tuple(each for each in self.ranges if each is not shortest)
        return replace(self, ranges=left, stale=_newest((*self.stale, *stale)))


def name_of(share: Share | None) -> str:
    """The key of a measurement's proofs in the property; empty where it has a table of its own."""
    return "" if share is None else f"{share.column}={share.value}"


def share_named(name: str) -> Share | None:
    """The share of a key; None for the whole table."""
    column, _, value = name.partition("=")
    return Share(column, value) if name else None


def recorded_proofs(metadata: TableMetadata) -> dict[str, Proofs]:
    """The recorded proofs of each measurement, by `name_of`, which hold for their `as_of`."""
    return {name: _read(raw) for name, raw in _stated(metadata).items()}


def recording(metadata: TableMetadata, proofs: Mapping[str, Proofs]) -> dict[str, str]:
    """The property with the proofs of some measurements; empty where the table has it already.

    Args:
        metadata: The table's metadata.
        proofs: The proofs, by `name_of`.
    """
    there = _stated(metadata)
    written = there | {name: _document(each) for name, each in proofs.items()}
    text = json.dumps({name: each for name, each in written.items() if each}, separators=(",", ":"), ensure_ascii=False)
    return {} if written == there else {PROPERTY: text}


def _joined(proofs: Iterable[Proof], as_of: int | None) -> Iterator[Proof]:
    """Merge adjacent proofs, for the snapshot for which all of them hold."""
    last: Proof | None = None
    for each in proofs:
        if last is not None and last.touches(each):
            total = last.sum + each.sum
            last = replace(
                last,
                window=Window(last.window.start, each.window.end),
                at=min(last.at, each.at),
                snapshot_id=each.snapshot_id if as_of is None else as_of,
                rows=total.values,
                digest=str(total),
                version=", ".join(dict.fromkeys(f"{last.version}, {each.version}".split(", "))),
            )
        else:
            if last is not None:
                yield last
            last = each
    if last is not None:
        yield last


def _mended(ranges: Sequence[Proof], earlier: Mapping[Window, Digest], as_of: int | None) -> list[Proof]:
    """Give ranges whose changed parts were all proved again the digest of their current rows."""
    found = list(ranges)
    for each in [proof for proof in ranges if proof.changed]:
        inside = [
            other
            for other in found
            if other is not each and not other.changed and _overlap(each.window, other.window) == other.window
        ]
        if merged(other.window for other in inside) != each.changed or any(_unlike(each, other) for other in inside):
            continue
        before = {window: digest for window, digest in earlier.items() if Coverage(each.changed).holds(window)}
        if merged(before) != each.changed:
            continue
        total = each.sum
        for digest in before.values():
            total = total - digest
        for other in inside:
            total = total + other.sum
        found = [other for other in found if other is not each and other not in inside]
        found.append(
            replace(
                each,
                at=min((each.at, *(other.at for other in inside))),
                snapshot_id=each.snapshot_id if as_of is None else as_of,
                rows=total.values,
                digest=str(total),
                changed=(),
            )
        )
    return sorted(found, key=lambda each: each.window)


def _unlike(one: Proof, other: Proof) -> bool:
    """Whether the digests of two proofs cannot be added."""
    return (one.algorithm, one.key, one.left_out) != (other.algorithm, other.key, other.left_out)


def _overlap(one: Window, other: Window) -> Window | None:
    start, end = max(one.start, other.start), min(one.end, other.end)
    return Window(start, end) if start < end else None


def _newest(stale: Iterable[Stale]) -> tuple[Stale, ...]:
    """The last parts that were noted, with adjacent ones of the same cause merged."""
    found = list[Stale]()
    for each in stale:
        last = found[-1] if found else None
        if last is not None and last.why == each.why and last.window.end == each.window.start:
            found[-1] = Stale(Window(last.window.start, each.window.end), each.why, min(last.at, each.at))
        else:
            found.append(each)
    return tuple(found[-MOST_STALE:])


def _stated(metadata: TableMetadata) -> dict[str, dict[str, Any]]:
    """The content of the property; empty where another tool changed it to something that no version of ours wrote."""
    try:
        found = json.loads(own_properties(metadata).get(PROPERTY) or "{}")
        for each in found.values():
            _read(each)
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return dict(found)


def _document(proofs: Proofs) -> dict[str, Any]:
    """Encode proofs as JSON; snapshot ids as strings, since they do not fit JavaScript's numbers."""
    if not proofs.ranges and not proofs.stale:
        return {}
    return {
        "as_of": None if proofs.as_of is None else str(proofs.as_of),
        "ranges": [_range(each) for each in proofs.ranges],
        **({"stale": [_part(each) for each in proofs.stale]} if proofs.stale else {}),
    }


def _range(proof: Proof) -> dict[str, Any]:
    found = {
        "start": utc_text(proof.window.start),
        "end": utc_text(proof.window.end),
        "at": utc_text(proof.at),
        "rows": proof.rows,
        "digest": proof.digest,
        "snapshot": str(proof.snapshot_id),
        "algorithm": proof.algorithm,
        "version": proof.version,
    }
    more = {"key": list(proof.key), "left_out": list(proof.left_out), "changed": [str(each) for each in proof.changed]}
    return found | {name: each for name, each in more.items() if each}


def _part(stale: Stale) -> dict[str, Any]:
    return {"window": str(stale.window), "why": stale.why, "at": utc_text(stale.at)}


def _read(raw: Mapping[str, Any] | None) -> Proofs:
    if not raw:
        return Proofs()
    ranges = (
        Proof(
            window=Window(parse_moment(each["start"]), parse_moment(each["end"])),
            at=parse_moment(each["at"]),
            snapshot_id=int(each["snapshot"]),
            rows=int(each["rows"]),
            digest=str(Digest.parse(0, each["digest"])),
            algorithm=str(each["algorithm"]),
            version=str(each["version"]),
            key=tuple(each.get("key", ())),
            left_out=tuple(each.get("left_out", ())),
            changed=parse_windows(",".join(each.get("changed", ()))),
        )
        for each in raw["ranges"]
    )
    stale = (
        Stale(Window.parse(each["window"]), each["why"], parse_moment(each["at"])) for each in raw.get("stale", ())
    )
    as_of = raw["as_of"]
    return Proofs(tuple(ranges), tuple(stale), None if as_of is None else int(as_of))
