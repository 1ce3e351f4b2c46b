"""The source type `kafka`: topics of Apache Kafka with points as messages."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from influx_lake.config.connections.base import SourceConfig
from influx_lake.config.connections.limits import DocumentLimit
from influx_lake.config.connections.records import RecordOptions, check_records
from influx_lake.config.connections.server import TlsConfig
from influx_lake.config.references.secret import Secret
from influx_lake.config.values.conflicting_options import contradiction
from influx_lake.config.values.lists import Distinct, OneOrMore
from influx_lake.config.values.on_off import OnOff
from influx_lake.config.values.read_options import PositiveDuration
from influx_lake.config.values.units import WholeNumber
from influx_lake.config.values.validated_names import TableName, Text

_BROKER = re.compile(r"(?:[A-Za-z0-9._-]*[A-Za-z.][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


def _no_longer_than_an_hour(value: timedelta) -> timedelta:
    if value > timedelta(hours=1):
        raise ValueError("is longer than an hour: load windows once they are over instead")
    return value


def _brokers(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if _BROKER.fullmatch(value) is None:
            raise ValueError(f"{value[:60]!r} is not a broker's address with its port, such as kafka-1:9092")
    return values


def _topics(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if _TOPIC.fullmatch(value) is None:
            raise ValueError(f"{value[:60]!r} is not a topic's name: letters, digits, ., _ and - (at most 249)")
    return values


class KafkaConfig(RecordOptions, DocumentLimit, SourceConfig):
    """Topics of Kafka, which `influx-lake stream` follows."""

    type: Literal["kafka"] = Field(description="Topics of Kafka that a pipeline, such as Telegraf, writes points to.")
    brokers: Annotated[tuple[Text, ...], Field(min_length=1), AfterValidator(_brokers), Distinct(), OneOrMore()] = (
        Field(
            description="The brokers that are asked first, each with its port.",
            examples=[["kafka-1:9092", "kafka-2:9092"]],
        )
    )
    topics: Annotated[tuple[Text, ...], Field(min_length=1), AfterValidator(_topics), Distinct(), OneOrMore()] = Field(
        description="The topics, by name.", examples=["telegraf"]
    )
    database: str = Field(min_length=1, description="What the measurements are of: the default of `namespace`.")
    format: Literal["influx", "json"] = Field(
        default="influx",
        description="What a message holds: lines of line protocol, or objects of JSON as Telegraf writes them.",
    )
    precision: Literal["ns", "us", "ms", "s"] = Field(
        default="ns", description="What the timestamps of line protocol count in."
    )
    json_integers: Literal["float", "integer"] = Field(
        default="float",
        description="What a number without a fraction is, of fields that `columns` does not declare. Telegraf writes "
        "the float 1.0 as 1, so that in its JSON only floats are safe.",
    )
    tls: Annotated[TlsConfig | None, OnOff()] = Field(
        default=None, description="TLS to the brokers: `{}`, or its options. Default: off."
    )
    mechanism: Mechanism = Field(default="SCRAM-SHA-512", description="How `username` and `password` are checked.")
    username: Text | None = Field(default=None, description="Who asks, where the brokers want to know (SASL).")
    password: Secret | None = Field(
        default=None, description="The password of `username`, by reference.", examples=["${KAFKA_PASSWORD}"]
    )
    start: Literal["earliest", "latest"] = Field(
        default="earliest",
        description="Where a stream begins that has not read a partition of a topic before: at its oldest message, or "
        "behind its newest.",
    )
    trigger: Annotated[PositiveDuration, AfterValidator(_no_longer_than_an_hour)] = Field(
        default=timedelta(seconds=30), description="How often what came is added to the tables: each time is a commit."
    )
    max_messages: WholeNumber = Field(
        default=1_000_000, ge=1, description="How many messages are added at once at most, over all partitions."
    )
    tables_at_once: WholeNumber = Field(default=4, ge=1, le=64, description="How many tables are written at once.")
    dead_letters: TableName | None = Field(
        default=None,
        description="The table for what cannot be read, in the namespace of `database`; it also keeps how far the "
        "stream is. Default: the source's name and `__dead_letters`.",
    )
    unmatched: Literal["count", "dead_letter"] = Field(
        default="count",
        description="What becomes of points of measurements that lake.yaml does not have: they are counted, or go to "
        "the dead letters as well.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_records(self)
        if (self.username is None) != (self.password is None):
            message = "username and password belong together: give both of them, or neither"
            raise contradiction(message, "username" if self.username else "password")
        if self.username is None and "mechanism" in self.model_fields_set:
            raise contradiction("is for a username and a password: give them, or leave it out", "mechanism")
        if self.username and self.tls is None and self.mechanism == "PLAIN":
            message = "would send the password in the clear, since there is no `tls`: write tls: {}, or use SCRAM"
            raise contradiction(message, "mechanism")
        if self.tls is not None and not self.tls.verify:
            raise contradiction("cannot be left out here: name the CA of the brokers as ca_file", "tls", "verify")
        own = ("timestamp", "timestamp_units", "measurement_column", "tags", "columns", "json_integers")
        if self.format == "influx" and (set_ := [name for name in own if name in self.model_fields_set]):
            raise contradiction("is for `format: json`: line protocol says it itself", set_[0])
        if self.format == "json" and "precision" in self.model_fields_set:
            raise contradiction("is for `format: influx`: of JSON, timestamp_units says it", "precision")
        return self

    @property
    def label(self) -> str:
        """What it is, for people."""
        return f"the topics `{', '.join(self.topics)}` of Kafka"

    @property
    def identity(self) -> str:
        """What the points are of: topics and brokers are added and moved, and the tables stay the same stream's."""
        return f"kafka:{self.database}"
