"""From a real Telegraf by a real broker into tables, also where the broker and the process are killed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from influx_lake_tests.integration.sources.files.telegraf import run_telegraf
from influx_lake_tests.integration.streaming.streamed_lake import StreamedLake
from testbed.kafka_broker import KafkaBroker, kafka_broker, spark_jars
from testbed.waiting import wait_until

pytestmark = pytest.mark.servers

SECOND = 10**9
NOON = 1_767_268_800 * SECOND  # 2026-01-01T12:00:00Z
_OUTPUT = """\
[[outputs.kafka]]
  brokers = ["{broker}"]
  topic = "{topic}"
  data_format = "{form}"
  # Else messages are as old as their points, and the broker deletes those that are older than it keeps any.
  producer_timestamp = "now"
  json_timestamp_units = "1ns"
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    spark_jars()
    with kafka_broker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture
def streamed(tmp_path: Path, broker: KafkaBroker) -> StreamedLake:
    return StreamedLake(tmp_path / "lake", broker)


@pytest.mark.parametrize("form", ["influx", "json"])
def test_what_telegraf_sends_is_in_the_tables(streamed: StreamedLake, tmp_path: Path, form: str) -> None:
    topic = f"telegraf-{form}"
    streamed.broker.create(topic, 3)
    lines = [
        f'cpu,host=h{number % 3} usage={number % 7}.5,idle={number % 2}.0,state="it\'s \\"{number}\\"",up=true '
        f"{NOON + number * SECOND}"
        for number in range(300)
    ]
    lines += [f"mem,host=h1 used={number}i {NOON + number * SECOND + 1}" for number in range(50)]
    output = _OUTPUT.format(broker=streamed.broker.address, topic=topic, form=form)
    if form == "influx":
        output = output.replace("  json_timestamp_units", "  # json_timestamp_units")
    run_telegraf(tmp_path / "telegraf", "\n".join(lines) + "\n", output, interval="1ns")
    streamed.broker.produce(topic, [("h1", b"\xff not a point"), ("h1", None)])
    options = "format: json, timestamp_units: ns" if form == "json" else ""
    streamed.declare(topic, "{cpu: {}, 'm*': {}}", options)
    result = streamed.run("stream", "--available-now")
    assert (result["messages"], result["points"], result["dead_letters"], result["lag_messages"]) == (352, 350, 2, 0)
    rows = streamed.query(
        "select count(*), sum(usage), sum(idle), count(distinct state), bool_and(up) from {cpu}", "cpu"
    )
    assert rows == [(300, sum(number % 7 + 0.5 for number in range(300)), 150.0, 300, True)]
    assert streamed.query("select count(*), sum(used), typeof(any_value(used)) from {mem}", "mem") == [
        (50, 1225, "BIGINT" if form == "influx" else "DOUBLE")
    ]
    dead = streamed.query(
        'select topic, "offset", reason from {events__dead_letters} order by "offset"', "events__dead_letters"
    )
    assert [row[0] for row in dead] == [topic, topic]
    assert dead[1][2] == "has no value"
    # Once more changes nothing, and the measurement that the pattern matched is known from now on.
    assert streamed.run("stream", "--available-now")["sequence"] == result["sequence"]
    assert {each["measurement"] for each in streamed.run("status")["measurements"]} == {"cpu", "mem"}


def test_messages_of_transactions_count_once_these_are_committed(streamed: StreamedLake) -> None:
    from confluent_kafka import Producer

    streamed.broker.create("transactions")
    streamed.declare("transactions", "{cpu: {}}")
    producer = Producer({"bootstrap.servers": streamed.broker.address, "transactional.id": "tests"})
    producer.init_transactions()
    for number, is_committed in enumerate((True, False, True)):
        producer.begin_transaction()
        producer.produce("transactions", f"cpu,host=h{number} usage=1 {NOON}".encode())
        producer.flush()
        if is_committed:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
    result = streamed.run("stream", "--available-now")
    # Where transactions end takes up offsets, too.
    assert (result["messages"], result["points"], result["lag_messages"]) == (2, 2, 0)
    assert result["caught_up_at"] is not None
    assert streamed.query("select host from {cpu} order by host", "cpu") == [("h0",), ("h2",)]


def test_a_topic_that_was_made_anew_is_reported(streamed: StreamedLake) -> None:
    from confluent_kafka.admin import AdminClient

    streamed.broker.create("anew")
    streamed.declare("anew", "{cpu: {}}")
    streamed.broker.produce("anew", [("h1", f"cpu,host=h1 usage=1 {NOON}".encode())])
    assert streamed.run("stream", "--available-now")["messages"] == 1
    admin = AdminClient({"bootstrap.servers": streamed.broker.address})
    admin.delete_topics(["anew"])["anew"].result(60)
    wait_until(lambda: "anew" not in admin.list_topics(timeout=10).topics, "the topic is gone")
    streamed.broker.create("anew")
    streamed.broker.produce("anew", [("h1", f"cpu,host=h2 usage=1 {NOON + at}".encode()) for at in range(9)])
    assert "anew: it was deleted and created again" in str(streamed.run("stream", "--available-now", code=1))
    streamed.run("stream", "--available-now", "--accept-loss")
    assert streamed.query("select host, count(*) from {cpu} group by host order by host", "cpu") == [
        ("h1", 1),
        ("h2", 9),
    ]


def test_nothing_is_lost_or_doubled_when_broker_and_process_are_killed(streamed: StreamedLake) -> None:
    churn(streamed, messages=60_000, kills=2, pace=6_000)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_millions_of_messages_with_ten_kills_of_each(streamed: StreamedLake) -> None:
    churn(streamed, messages=int(os.environ.get("INFLUX_LAKE_TEST_MESSAGES", "5000000")), kills=10, pace=250_000)


def churn(streamed: StreamedLake, messages: int, kills: int, pace: int) -> None:
    """Have messages written while broker and process are killed, and look at every value then.

    Of 50 messages one comes twice, of 97 one comes late, by a thousand places; a third measurement has two messages for
    each point, with a field each.
    """
    topic = f"churn-{messages}"
    streamed.broker.create(topic, 4)
    streamed.declare(topic, "{cpu: {}, mem: {}, net: {}}", f"max_messages: {max(5_000, messages // 20)}")
    sent = threading.Event()
    failures: list[BaseException] = []

    def send() -> None:
        try:
            for begin in range(0, messages, pace):
                streamed.broker.produce(topic, _messages(begin, min(messages, begin + pace)))
        except BaseException as error:
            failures.append(error)
        finally:
            sent.set()

    writing = threading.Thread(target=send)
    writing.start()
    try:
        for kill in range(kills):
            goal = streamed.messages() + 1
            with streamed.streaming() as process:
                wait_until(
                    lambda goal=goal, process=process: streamed.messages() >= goal or process.poll() is not None,  # type: ignore[misc]
                    "messages are added",
                    600,
                )
                assert process.poll() is None, (streamed.folder / "stream.log").read_text()[-3000:]
                if kill % 2:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                streamed.broker.kill()
                streamed.broker.start()
                if not kill % 2:
                    # It goes on by itself.
                    goal = streamed.messages() + 1
                    wait_until(
                        lambda goal=goal: streamed.messages() >= goal or sent.is_set(),  # type: ignore[misc]
                        "it goes on after the broker was away",
                        600,
                    )
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
    finally:
        writing.join(600)
    assert not failures, failures[0]
    with streamed.streaming() as process:
        total = sum(1 for number in range(messages) for _ in range(1 + (number % 50 == 0)))
        wait_until(lambda: streamed.messages() >= total or process.poll() is not None, "all are added", 1800)
        assert process.poll() is None, (streamed.folder / "stream.log").read_text()[-3000:]
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(120) == 0
    assert streamed.messages() == total
    check_values(streamed, messages)


def _point(number: int) -> bytes:
    name, series, at = ("cpu", "mem", "net")[number % 3], number // 3 % 40, number // 120
    if name == "net":
        field, at = ("sent", "received")[at % 2], at // 2
        return f"net,host=h{series} {field}={number}i {NOON + at * 1_000_000}".encode()
    return f"{name},host=h{series} value={number}.25 {NOON + at * 1_000_000}".encode()


def _messages(begin: int, end: int) -> list[tuple[str, bytes | None]]:
    late: list[int] = []
    order: list[int] = []
    for number in range(begin, end):
        if number % 97 == 0:
            late.append(number)
        else:
            order.append(number)
        if late and late[0] + 1_000 < number:
            order.append(late.pop(0))
        if number % 50 == 0:
            order.append(number)
    return [(f"h{number // 3 % 40}", _point(number)) for number in order + late]


def check_values(streamed: StreamedLake, messages: int) -> None:
    """Make sure that the tables hold every value, once, and nothing else."""
    base = f"{NOON // 1000}"
    for name, place in (("cpu", 0), ("mem", 1)):
        wanted = (
            f"select 'h' || (i // 3 % 40) as host, {base} + i // 120 * 1000 as t, i + 0.25::double as value "
            f"from range({messages}) r(i) where i % 3 = {place}"
        )
        held = f"select host, epoch_us(time) as t, value from {{{name}}}"
        _same(streamed, wanted, held, name)
    wanted = (
        f"select 'h' || (i // 3 % 40) as host, {base} + i // 240 * 1000 as t, "
        "max(i) filter (i // 120 % 2 = 0) as sent, max(i) filter (i // 120 % 2 = 1) as received "
        f"from range({messages}) r(i) where i % 3 = 2 group by all"
    )
    _same(streamed, wanted, "select host, epoch_us(time) as t, sent, received from {net}", "net")


def _same(streamed: StreamedLake, wanted: str, held: str, table: str) -> None:
    sql = f"select (select count(*) from ({wanted})), (select count(*) from ({held})), "
    sql += f"(select count(*) from (({wanted}) except ({held}))), (select count(*) from (({held}) except ({wanted})))"
    ((rows, there, missing, others),) = streamed.query(sql, table)
    assert (there, missing, others) == (rows, 0, 0), table
