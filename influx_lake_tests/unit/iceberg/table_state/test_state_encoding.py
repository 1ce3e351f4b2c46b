"""The state of a table as text: read back as it was, and short also for many measurements with gaps."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.iceberg.table_state.state import TableState
from influx_lake.iceberg.table_state.state_encoding import (
    States,
    base_id,
    properties,
    read_properties,
    read_summary,
    summary_text,
)
from influx_lake_tests.unit.iceberg.tables import day

WINDOWS = st.lists(st.integers(0, 30).map(lambda number: day(2 * number)), max_size=12, unique=True).map(
    lambda windows: tuple(sorted(windows))
)
STATES = st.builds(
    TableState,
    coverage=st.builds(Coverage, WINDOWS, st.just(())),
    owner=st.sampled_from(["test://here/telemetry", "test://there/telemetry"]),
    tags=st.none() | st.just(("host", "größe")),
    time_id=st.integers(1, 3),
    lost=WINDOWS,
)
SHARED = st.dictionaries(st.text(min_size=1, max_size=20), STATES, min_size=1, max_size=20)


@settings(max_examples=20)
@given(before=SHARED, changes=SHARED)
def test_the_states_of_measurements_are_read_as_they_were_written(
    before: dict[str | None, TableState], changes: dict[str | None, TableState]
) -> None:
    base = summary_text(before, None)
    assert read_summary(base, lambda number: None) == before
    after: States = {**before, **changes}
    text = summary_text(after, (7, before))
    assert read_summary(text, {7: before}.get) == after
    if base_id(text) is not None:
        assert read_summary(text, lambda number: None) is None, "what it builds on is gone"


@settings(max_examples=10)
@given(states=SHARED)
def test_properties_tell_them_too(states: dict[str | None, TableState]) -> None:
    said = read_properties(properties(states, {}))
    assert {share: state.coverage for share, state in said.items()} == {
        share: state.coverage for share, state in states.items()
    }
    assert {share: state.owner for share, state in said.items()} == {
        share: state.owner for share, state in states.items()
    }


def test_of_many_measurements_only_what_changed_is_written() -> None:
    states: dict[str | None, TableState] = {
        f"measurement_{number}": TableState(Coverage((day(0),)), "https://influx:8181/telemetry", ("host", "region"), 1)
        for number in range(60)
    }
    whole = summary_text(states, None)
    assert len(whole) < 2_000
    written, base = 0, (1, states)
    for number in range(60):
        states = {
            **states,
            f"measurement_{number}": TableState(Coverage((day(0, 2),)), "https://influx:8181/telemetry"),
        }
        text = summary_text(states, base)
        written += len(text)
        if base_id(text) is None:
            base = (number, states)
    assert written / 60 < 1_000, "on average, of 60 measurements that are loaded one after the other"
