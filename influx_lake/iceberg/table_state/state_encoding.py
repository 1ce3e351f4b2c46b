"""Encodes the state of a table as text: in the summary of each snapshot of ours, and in table properties.

For a shared table it is the state of each measurement.

A summary has the complete state while that is short; else the changes since an ancestor that has it, or the complete
state, packed. So the metadata of a table with hundreds of snapshots and as many gaps stays small. The properties have
the state of the last commit, which `commit_log` names; they are used for that snapshot only.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from typing import Any

from influx_lake.config.values.windows import EPOCH, MICROSECOND, Window
from influx_lake.iceberg.columns.known_columns import SHARES
from influx_lake.iceberg.table_state.changes import ForeignChange, Kind, moment_of
from influx_lake.iceberg.table_state.coverage import Coverage, parse_windows, windows_text
from influx_lake.iceberg.table_state.state import TableState
from influx_lake.iceberg.target import OWNER

SUMMARY = "influx-lake.state"
"""The property of a snapshot's summary: a JSON object."""
COVERAGE = "influx-lake.coverage"
"""The table property: `start/end,start/end`, merged and sorted."""
TAILS = "influx-lake.tails"
"""The same for tailed time that is not covered yet; absent where there is none."""
TAGS = "influx-lake.tags"
"""The table property: a JSON list of columns."""
States = Mapping[str | None, TableState]
"""The state of each measurement of a shared table, by its name there; under None for a table of one measurement."""
STATED = frozenset({COVERAGE, TAILS, TAGS, OWNER, SHARES})
"""The table properties that `properties` writes."""
_OPEN = ("others", "taken", "altered", "added", "outdated")
MOST_CHARACTERS = 500
"""The length up to which a state is written to a summary unpacked."""


def summary_text(states: States, base: tuple[int, States] | None) -> str:
    """Encode the state of a table for a snapshot's summary.

    Args:
        states: The state, or those of its measurements.
        base: The nearest ancestor that has the complete state, with that state.
    """
    text = _json(_whole(states, windows_text))
    if len(text) <= MOST_CHARACTERS:
        return text
    packed = _json({"packed": _pack(_whole(states, _numbers))})
    # The state of many measurements is long: the changes of some of them may be longer, too.
    at_most = MOST_CHARACTERS if None in states else max(MOST_CHARACTERS, len(packed) // 2)
    change = _change(states, *base) if base is not None else None
    return change if change is not None and len(change) <= at_most else packed


def read_summary(text: str, whole: Callable[[int], States | None]) -> States | None:
    """Decode a text of `summary_text`.

    Args:
        text: The text.
        whole: Returns the complete state of a snapshot, on which the text is based.

    Returns:
        The state; None where the snapshot that it is based on is gone.
    """
    raw = json.loads(text)
    if "base" not in raw:
        return _read_whole(text)
    base = whole(base_id(text) or 0)
    if base is None:
        return None
    if "shares" not in raw:
        return {None: _changed(base.get(None, TableState()), raw)}
    return {**base, **{share: _changed(base.get(share, TableState()), each) for share, each in raw["shares"].items()}}


@lru_cache(maxsize=8)
def _read_whole(text: str) -> States:
    # The states of all measurements are in one text, which is decoded for each of them.
    raw = _unpacked(json.loads(text))
    return {share: _state(each) for share, each in raw["shares"].items()} if "shares" in raw else {None: _state(raw)}


def _changed(base: TableState, raw: Mapping[str, Any]) -> TableState:
    """Apply changes to a state."""
    gained, lost = parse_windows(raw.get("gained", "")), parse_windows(raw.get("lost", ""))
    coverage = Coverage(base.coverage.losing(lost).intervals)
    for window in gained:
        coverage = coverage.adding(window)
    written = _document(base) | {
        key: value for key, value in raw.items() if key in ("owner", "tags", "time", "definition")
    }
    written |= {key: value for key, value in raw.items() if key in _OPEN}
    return _state(written | {"coverage": windows_text(coverage.intervals), "tails": raw.get("tails", "")})


def base_id(text: str) -> int | None:
    """The snapshot that a state in a summary is based on; None where it is complete."""
    base = json.loads(text).get("base")
    return None if base is None else int(base, 16)


def properties(states: States, there: Mapping[str, str]) -> dict[str, str]:
    """The table properties for the state of a table that differ from the present ones."""
    state = states.get(None)
    written = {COVERAGE: "", TAILS: ""} if state is None else _stated(state)
    if state is None:
        shares = {share: _document(each) | _windows(each.coverage, windows_text) for share, each in states.items()}
        written[SHARES] = json.dumps(shares, ensure_ascii=False)
    else:
        written |= {SHARES: ""} | ({} if state.owner is None else {OWNER: state.owner})
    # An empty value only overrides one that the table has.
    return {name: text for name, text in written.items() if (text or name in there) and there.get(name) != text}


def _stated(state: TableState) -> dict[str, str]:
    written = {COVERAGE: str(state.coverage), TAILS: windows_text(state.coverage.tails)}
    return written if state.tags is None else written | {TAGS: json.dumps(state.tags)}


def read_properties(raw: Mapping[str, str], source: str | None = None) -> States:
    """Decode the state in the properties of a table, for the snapshot that they were written with.

    Args:
        raw: The properties.
        source: The source of that load: the owner of tables from before owners were recorded.
    """
    if raw.get(SHARES):
        return {share: _state(each) for share, each in json.loads(raw[SHARES]).items()}
    coverage = Coverage.parse(raw.get(COVERAGE, ""), raw.get(TAILS, ""))
    tags = tuple(json.loads(raw[TAGS])) if TAGS in raw else None
    return {None: TableState(coverage, raw.get(OWNER, source), tags)}


def _whole(states: States, as_text: Callable[[tuple[Window, ...]], str]) -> dict[str, Any]:
    """Encode the complete state of a table."""
    written = {
        share: _document(state) | _windows(state.coverage, as_text) | _open(state) for share, state in states.items()
    }
    return written.get(None, {"shares": written})


def _change(states: States, base: int, before: States) -> str | None:
    """Encode the changes since an ancestor; None where only one of both is the state of a shared table."""
    found = {
        share: _change_of(state, before.get(share, TableState()))
        for share, state in states.items()
        if state != before.get(share)
    }
    if (None in states) != (None in before):
        return None
    written = found.get(None, {}) if None in states else {"shares": found}
    return _json({"base": f"{base:x}", **written})


def _change_of(state: TableState, before: TableState) -> dict[str, Any]:
    mine, theirs = Coverage(state.coverage.intervals), Coverage(before.coverage.intervals)
    written = _document(before)
    change = {
        **{key: value for key, value in _document(state).items() if written.get(key) != value},
        "gained": windows_text(mine.without(theirs)),
        "lost": windows_text(theirs.without(mine)),
        "tails": windows_text(state.coverage.tails),
        **_open(state),
    }
    return {key: value for key, value in change.items() if value}


def _document(state: TableState) -> dict[str, Any]:
    """Encode a state without its coverage; unknown values are left out."""
    tags = None if state.tags is None else list(state.tags)
    found = {"owner": state.owner, "tags": tags, "time": state.time_id, "definition": state.definition}
    return {key: value for key, value in found.items() if value is not None}


def _open(state: TableState) -> dict[str, Any]:
    """Encode unresolved changes by other tools, in complete states and in changes alike; empty for most tables."""
    others = [
        {
            "kind": str(each.kind),
            "snapshot": each.snapshot_id,
            "at": int(each.at.timestamp() * 1000),
            "engine": each.engine,
            "added": each.rows_added,
            "removed": each.rows_removed,
            "branch": each.branch,
            "source": each.source_snapshot_id,
            "left": each.left_snapshot_id,
            "during": str(each.during) if each.during else None,
        }
        for each in state.earlier
    ]
    found = {
        "others": [{key: value for key, value in each.items() if value} for each in others],
        "taken": windows_text(state.lost),
        "altered": windows_text(state.altered),
        "added": windows_text(state.added),
        "outdated": windows_text(state.outdated),
    }
    return {key: value for key, value in found.items() if value}


def _earlier(raw: Sequence[Mapping[str, Any]]) -> tuple[ForeignChange, ...]:
    return tuple(
        ForeignChange(
            Kind(each["kind"]),
            each["snapshot"],
            moment_of(each["at"]),
            engine=each.get("engine"),
            rows_added=each.get("added", 0),
            rows_removed=each.get("removed", 0),
            branch=each.get("branch"),
            source_snapshot_id=each.get("source"),
            left_snapshot_id=each.get("left"),
            during=Window.parse(each["during"]) if "during" in each else None,
        )
        for each in raw
    )


def _windows(coverage: Coverage, as_text: Callable[[tuple[Window, ...]], str]) -> dict[str, str]:
    return {"coverage": as_text(coverage.intervals), **({"tails": as_text(coverage.tails)} if coverage.tails else {})}


def _state(raw: Mapping[str, Any]) -> TableState:
    coverage = Coverage.parse(raw.get("coverage", ""), raw.get("tails", ""))
    tags = raw.get("tags")
    return TableState(
        coverage,
        raw.get("owner"),
        None if tags is None else tuple(tags),
        raw.get("time"),
        earlier=_earlier(raw.get("others", ())),
        lost=parse_windows(raw.get("taken", "")),
        altered=parse_windows(raw.get("altered", "")),
        added=parse_windows(raw.get("added", "")),
        definition=raw.get("definition"),
        outdated=parse_windows(raw.get("outdated", "")),
    )


def _numbers(windows: tuple[Window, ...]) -> str:
    """Encode windows as differences of their bounds, in microseconds: in a regular history these are all alike."""
    bounds = [0, *chain.from_iterable((window.start_us, window.end_us) for window in windows)]
    return ",".join(str(end - start) for start, end in pairwise(bounds))


def _from_numbers(text: str) -> str:
    moments, moment = [], EPOCH
    for step in text.split(",") if text else ():
        moment += int(step) * MICROSECOND
        moments.append(moment)
    return windows_text(Window(*bounds) for bounds in zip(moments[::2], moments[1::2], strict=True))


def _pack(document: dict[str, Any]) -> str:
    return base64.b85encode(zlib.compress(_json(document).encode(), 9)).decode()


def _unpacked(raw: dict[str, Any]) -> dict[str, Any]:
    if "packed" not in raw:
        return raw
    document: dict[str, Any] = json.loads(zlib.decompress(base64.b85decode(raw["packed"])))
    if "shares" in document:
        return {"shares": {share: _with_moments(each) for share, each in document["shares"].items()}}
    return _with_moments(document)


def _with_moments(document: dict[str, Any]) -> dict[str, Any]:
    return document | {key: _from_numbers(document[key]) for key in ("coverage", "tails") if key in document}


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)
