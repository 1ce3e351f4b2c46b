"""Batches, the journal, the pace, and how refused points are found."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config.values.read_options import RetryOptions
from influx_lake.config.values.windows import Window, parse_moment
from influx_lake.errors import DatabaseNotFound, SourceUnavailable, StorageError
from influx_lake.restore.delivery.batch import Batch, BatchWriter, Refused
from influx_lake.restore.delivery.dead_letters import write_dead_letters
from influx_lake.restore.delivery.journal import Journal, RestoreUnderWay
from influx_lake.restore.delivery.rate_limit import Pace, Rate
from influx_lake.restore.delivery.refused_points import Answer, deliver
from influx_lake.restore.delivery.sender import Sender
from influx_lake.restore.lines.dialect import GO
from influx_lake.restore.lines.point_batch import PointBatch
from influx_lake.restore.lines.writer import LineWriter
from influx_lake.restore.targets.write_responses import answer_of

WINDOW = Window(parse_moment("2026-01-01"), parse_moment("2026-01-02"))
ABOUT = {"measurement": "cpu"}


def points(values: list[float | None]) -> PointBatch:
    return PointBatch(pa.array(range(len(values)), pa.int64()), {}, (("f", pa.array(values, pa.float64())),))


def batch(count: int, begin: int = 0) -> Batch:
    numbered = [(begin, points([float(number) for number in range(count)]))]
    [made] = BatchWriter(WINDOW, LineWriter("cpu", GO), 10**9, 10**9).batches(numbered)
    return made


@given(
    groups=st.lists(st.lists(st.none() | st.just(float("nan")) | st.floats(0, 9), max_size=12), max_size=5),
    most_bytes=st.integers(1, 200),
    most_lines=st.integers(1, 7),
    gap=st.booleans(),
)
def test_batches_hold_each_point_once(
    groups: list[list[float | None]], most_bytes: int, most_lines: int, gap: bool
) -> None:
    place, numbered, wanted = 0, [], {}
    for values in groups:
        numbered.append((place, points(values)))
        wanted |= {place + number: value for number, value in enumerate(values)}
        place += len(values) + (3 if gap else 0)
    found = list(BatchWriter(WINDOW, LineWriter("cpu", GO), most_bytes, most_lines).batches(numbered))
    sent = {int(each.places[number]): each.line(number) for each in found for number in range(len(each))}
    refused = {each.place: each.reason for batch in found for each in batch.refused}
    assert sent.keys() | refused.keys() == wanted.keys()
    assert not sent.keys() & refused.keys()
    assert all((wanted[at] is None or wanted[at] != wanted[at]) == (at in refused) for at in wanted)
    for each in found:
        assert len(each) <= most_lines
        assert len(each.body) <= most_bytes or len(each) == 1
        assert each.body == b"".join(each.line(number) + b"\n" for number in range(len(each)))
        assert all(each.begin <= at < each.end for at in [*each.places, *(one.place for one in each.refused)])
    stretches = sorted((each.begin, each.end) for each in found)
    assert {at for begin, end in stretches for at in range(begin, end)} == wanted.keys()
    assert sum(end - begin for begin, end in stretches) == len(wanted)


@given(refusing=st.sets(st.integers(0, 39)), words=st.sampled_from(["names", "counts", "suspects", "says nothing"]))
def test_the_refused_points_are_found_however_the_server_tells(refusing: set[int], words: str) -> None:
    taken: set[int] = set()

    def send(lines: Batch) -> Answer | None:
        wrong = {number for number, place in enumerate(lines.places.tolist()) if place in refusing}
        taken.update(place for place in lines.places.tolist() if place not in refusing)
        if not wrong:
            return None
        match words:
            case "names":
                # Not all of them, and each with its reason.
                return Answer("some", {number: f"no {lines.places[number]}" for number in sorted(wrong)[:3]})
            case "counts":
                return Answer("dropped", all_refused=len(wrong) == len(lines))
            case "suspects":
                suspects = frozenset({*wrong, 0})
                return Answer("conflict", suspects=suspects, all_refused=len(wrong) == len(lines))
            case _:
                return Answer("no")

    whole = batch(40)
    found = deliver(whole, send)
    assert [each.place for each in found] == sorted(refusing)
    assert taken == {*range(40)} - refusing
    assert all(each.line == whole.line(each.place).decode() for each in found)
    if words == "names":
        assert [each.reason for each in found] == [f"no {place}" for place in sorted(refusing)]


def test_what_is_too_large_is_sent_in_halves() -> None:
    sizes = []

    def send(lines: Batch) -> Answer | None:
        sizes.append(len(lines))
        return Answer("too large", too_large=True) if len(lines) > 10 else None

    assert deliver(batch(40), send) == []
    assert sizes == [40, 20, 10, 10, 20, 10, 10]


@pytest.mark.parametrize(
    ("status", "said", "named", "all_refused"),
    [
        (400, '{"error":"partial write: unable to parse \'cpu f=1 1\': invalid number dropped=0"}', [1], False),
        (
            400,
            '{"code":"invalid","message":"unable to parse \'cpu f=0 0\': x\\nunable to parse \'cpu f=1 1\': y"}',
            [0, 1],
            False,
        ),
        (
            400,
            '{"error":"partial write of line protocol occurred","data":[{"error_message":"x","line_number":2}]}',
            [1],
            False,
        ),
        (400, '{"error":"line protocol parsing error","data":{"error_message":"x","line_number":1}}', [0], False),
        (422, '{"message":"partial write: points beyond retention policy dropped=2"}', [], True),
        (400, '{"error":"partial write: points beyond retention policy dropped=1"}', [], False),
        (400, '{"error":"data","data":[{"line_number":7,"error_message":"x"},{"line_number":"1"},3]}', [], False),
        (400, "no JSON", [], False),
        (422, "[1]", [], False),
    ],
)
def test_what_servers_say_of_points(status: int, said: str, named: list[int], all_refused: bool) -> None:
    found = answer_of(status, said.encode(), batch(2))
    assert (sorted(found.named), found.all_refused, found.too_large) == (named, all_refused, False)


def test_a_conflict_names_a_field_whose_lines_are_suspected() -> None:
    said = b'{"error":"partial write: field type conflict: input field \\"f\\" on measurement \\"cpu\\" dropped=1"}'
    assert answer_of(400, said, batch(2)).suspects == {0, 1}
    assert answer_of(413, b"", batch(2)).too_large


@given(cuts=st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=8), first=st.integers(0, 20))
def test_the_journal_tells_what_is_left(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[tuple[int, int]], first: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "x.jsonl"
    done: set[int] = set()
    with_refused = {}
    journal = Journal(path, ABOUT)
    for begin, count in cuts:
        refused = Refused(begin, "why\n", 'cpu s="é\n" 1')
        with_refused[begin] = refused
        none = np.empty(0, np.int64)
        journal.acknowledge(Batch(WINDOW, begin, begin + count, b"", none, none), (refused,))
        done |= {*range(begin, begin + count)}
    for _ in range(2):
        left = [at for begin, end in journal.acknowledged(WINDOW).pending(first, 25) for at in range(begin, end)]
        assert left == [at for at in range(first, first + 25) if at not in done]
        assert list(journal.refused(WINDOW)) == [with_refused[at] for at in sorted(with_refused)]
        journal.close()
        # A line that was not written to its end counts for nothing.
        with path.open("ab") as file:
            file.write(b'{"window":"2026-01-01T00:00:00Z/2026-01-02T00:00:00Z","begin":0,"end":9')
        journal = Journal(path, ABOUT)
        assert journal.resumed
    journal.close()


def test_a_journal_of_another_restore_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    journal = Journal(path, ABOUT)
    journal.begin([WINDOW])
    journal.acknowledge(batch(3), ())
    with pytest.raises(RestoreUnderWay):
        Journal(path, ABOUT)
    journal.close()
    for about, anew, resumed in ((ABOUT, False, True), (ABOUT, True, False), ({"measurement": "mem"}, False, False)):
        journal = Journal(path, about, anew=anew)
        assert (journal.resumed, journal.has(WINDOW)) == (resumed, resumed)
        journal.close()
    assert Journal.begun(path) == {"measurement": "mem"}
    assert Journal.begun(tmp_path / "nothing") is None


def test_the_pace_spreads_batches() -> None:
    pace = Pace(Rate(points=100, size=1000), clock=lambda: 50.0)
    assert [pace.wait(50, 10), pace.wait(10, 1000), pace.wait(1, 1)] == [0.0, 0.5, 1.5]
    assert Pace(Rate()).wait(10**9, 10**9) == 0.0


def sender(journal: Journal, send: object, budget: str = "5s") -> Sender:
    retry = RetryOptions.model_validate({"budget": budget, "first_wait": "1ms", "longest_wait": "2ms"})
    return Sender(send, retry, journal, Pace(Rate()), 3)  # type: ignore[arg-type]


def test_no_more_at_once_than_is_allowed_and_failures_that_pass_are_tried_again(tmp_path: Path) -> None:
    lock, chance = threading.Lock(), random.Random(1)
    now, most, sent = 0, 0, 0
    together = threading.Barrier(3)

    def send(lines: Batch) -> None:
        nonlocal now, most, sent
        with lock:
            now, sent = now + 1, sent + 1
            most, fails, first = max(most, now), chance.random() < 0.3, sent <= 3
        if first:
            together.wait(30)
        with lock:
            now -= 1
        if fails:
            raise SourceUnavailable("busy")

    journal = Journal(tmp_path / "x.jsonl", ABOUT)
    sending = sender(journal, send)
    for number in range(20):
        sending.take(batch(2, begin=2 * number))
    sending.drain()
    sending.close()
    assert most == 3
    assert list(journal.acknowledged(WINDOW).pending(0, 40)) == []
    journal.close()


def test_the_failure_that_cannot_pass_is_the_one_that_is_reported(tmp_path: Path) -> None:
    def send(lines: Batch) -> None:
        if lines.begin == 2:
            raise DatabaseNotFound("no such database")
        raise SourceUnavailable("busy")

    journal = Journal(tmp_path / "x.jsonl", ABOUT)
    sending = sender(journal, send, budget="10m")

    def everything() -> None:
        for number in range(8):
            sending.take(batch(2, begin=2 * number))
        sending.drain()

    with pytest.raises(DatabaseNotFound, match="no such database"):
        everything()
    sending.close()
    journal.close()


def test_a_server_that_asks_for_more_patience_than_there_is(tmp_path: Path) -> None:
    from datetime import timedelta

    def send(lines: Batch) -> None:
        error = SourceUnavailable("busy")
        error.retry_after = timedelta(hours=1)
        raise error

    journal = Journal(tmp_path / "x.jsonl", ABOUT)
    sending = sender(journal, send)
    sending.take(batch(1))
    with pytest.raises(SourceUnavailable, match="busy"):
        sending.drain()
    sending.close()
    journal.close()


def test_a_journal_and_dead_letters_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be opened"):
        Journal(tmp_path / "file" / "x.jsonl", ABOUT)
    with pytest.raises(StorageError, match="could not be written"):
        write_dead_letters(tmp_path / "file" / "x.lp", [])


def test_dead_letters_are_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.lp"
    refused = [Refused(0, "why\nso", "cpu f=1 1"), Refused(1, "no", 'cpu s="a\nb" 2')]
    assert write_dead_letters(path, refused) == 2
    assert path.read_text() == '# why\\x0aso\ncpu f=1 1\n# no\ncpu s="a\nb" 2\n'
    assert path.stat().st_mode & 0o077 == 0
    assert write_dead_letters(path, []) == 0
    assert not list(path.parent.iterdir())
