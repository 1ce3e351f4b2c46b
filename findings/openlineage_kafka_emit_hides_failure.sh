#!/usr/bin/env bash
# openlineage-python 1.54.0 with confluent-kafka 2.16.1: with the Kafka transport `OpenLineageClient.emit` returns as if the event
# had been delivered, also with `flush: true` (the default) and when no broker ever answered. `emit` waits until librdkafka gave the
# message up, and then drops what it was told: the only trace is a log record of level ERROR on
# `openlineage.client.transport.kafka`. `close()` says True, since nothing waits any more. The HTTP and file transports raise.
# So whoever counts failures by exceptions counts none.
#
# Seen: emit returned None after 1.0 s (message.timeout.ms), close() was True, one ERROR record: _MSG_TIMED_OUT.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openlineage-python==1.54.0 confluent-kafka==2.16.1
"$folder/venv/bin/python" - <<'PYTHON'
import logging
import uuid
from datetime import datetime, timezone

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState

records = []


class Keeping(logging.Handler):
    def emit(self, record):
        records.append(record)


logging.getLogger("openlineage.client.transport.kafka").addHandler(Keeping(logging.WARNING))
event = RunEvent(
    eventTime=datetime.now(timezone.utc).isoformat(),
    run=Run(str(uuid.uuid4())),
    job=Job("finding", "job"),
    eventType=RunState.START,
    producer="urn:finding",
)
config = {"bootstrap.servers": "127.0.0.1:1", "message.timeout.ms": 1000, "log_level": 0}
client = OpenLineageClient(config={"transport": {"type": "kafka", "topic": "lineage", "config": config}})
assert client.emit(event) is None
assert client.close(5) is True
assert [record.levelname for record in records] == ["ERROR"], records
assert "_MSG_TIMED_OUT" in records[0].getMessage(), records[0].getMessage()

away = {"type": "http", "url": "http://127.0.0.1:1", "retry": {"total": 0}}
try:
    OpenLineageClient(config={"transport": away}).emit(event)
except Exception as error:
    print("http raises", type(error).__name__)
else:
    raise AssertionError("the HTTP transport does not raise any more")
print("kafka returned; logged:", records[0].getMessage())
PYTHON
