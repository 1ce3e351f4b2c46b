"""Asks brokers for the partitions of topics, and for their first and last offsets."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from influx_lake.config.connections import KafkaConfig
from influx_lake.config.references.secret import redact
from influx_lake.errors import (
    AuthenticationFailed,
    LakeError,
    MeasurementNotFound,
    MissingExtra,
    PermanentSourceError,
    SourceUnavailable,
    TlsFailed,
)

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

SECONDS = 20.0
"""The timeout of requests to brokers."""
_REFUSED = (
    "_AUTHENTICATION",
    "SASL_AUTHENTICATION_FAILED",
    "TOPIC_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
)


class Brokers:
    """The brokers of a source.

    Args:
        config: The source.

    Raises:
        MissingExtra: Their client is not installed.
        ConfigurationError: The password cannot be read.
    """

    def __init__(self, config: KafkaConfig) -> None:
        try:
            from confluent_kafka.admin import AdminClient
        except ModuleNotFoundError as error:
            raise MissingExtra("Reading topics of Kafka", "stream") from error
        self._config = config
        self._refusals: deque[Any] = deque(maxlen=1)
        settings = {**client_settings(config), "error_cb": self._note}
        self._client: AdminClient = AdminClient(settings, logger=_Silent())

    def partitions(self) -> dict[str, list[int]]:
        """The partitions of each topic.

        Raises:
            MeasurementNotFound: A topic does not exist.
            SourceError: The brokers do not respond, or refuse the request.
        """
        with self._errors("list the topics"):
            known = self._client.list_topics(timeout=SECONDS).topics
        missing = [topic for topic in self._config.topics if topic not in known or not known[topic].partitions]
        if missing:
            raise MeasurementNotFound(
                f"the brokers {', '.join(self._config.brokers)} have no topic {', '.join(missing)}",
                remedy="Create it, or correct `topics` of the source; the user may also lack the right to see it",
            )
        return {topic: sorted(known[topic].partitions) for topic in self._config.topics}

    def ends(self, partitions: Mapping[str, Sequence[int]]) -> dict[str, dict[int, int]]:
        """The offset after the last readable message of each partition, which is before the first open transaction.

        Raises:
            SourceError: The brokers do not respond, or refuse the request.
        """
        return self._offsets(partitions, "latest")

    def begins(self, partitions: Mapping[str, Sequence[int]]) -> dict[str, dict[int, int]]:
        """The offset of the first message of each partition that still exists.

        Raises:
            SourceError: The brokers do not respond, or refuse the request.
        """
        return self._offsets(partitions, "earliest")

    def ids(self) -> dict[str, str]:
        """The IDs of the topics, which change if a topic is deleted and created again.

        Brokers before Kafka 2.8 do not report them.

        Raises:
            SourceError: The brokers do not respond, or refuse the request.
        """
        from confluent_kafka import TopicCollection, Uuid

        none = str(Uuid(0, 0))
        with self._errors("ask for the ids of the topics"):
            asked = self._client.describe_topics(TopicCollection(list(self._config.topics)), request_timeout=SECONDS)
            found = {topic: str(answer.result(SECONDS + 1).topic_id) for topic, answer in asked.items()}
        return {topic: each for topic, each in found.items() if each != none}

    def _offsets(self, partitions: Mapping[str, Sequence[int]], end: str) -> dict[str, dict[int, int]]:
        from confluent_kafka import IsolationLevel, TopicPartition, admin

        wanted: Any = vars(admin)["OffsetSpec"]
        asked = {
            TopicPartition(topic, each): getattr(wanted, end)() for topic, found in partitions.items() for each in found
        }
        found: dict[str, dict[int, int]] = {topic: {} for topic in partitions}
        with self._errors("ask for the offsets of the topics"):
            for place, answer in self._client.list_offsets(
                asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=SECONDS
            ).items():
                found[place.topic][place.partition] = int(answer.result(SECONDS + 1).offset)
        return found

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        from concurrent.futures import TimeoutError as NotInTime

        from confluent_kafka import KafkaException

        # Events of before, which nobody asked for.
        self._client.poll(0)
        self._refusals.clear()
        try:
            yield
        except KafkaException as error:
            raise self._failure(doing, self._refusal() or (error.args[0] if error.args else error)) from None
        except NotInTime:
            if (refusal := self._refusal()) is not None:
                raise self._failure(doing, refusal) from None
            raise SourceUnavailable(f"could not {doing}: {self._who} did not answer in {SECONDS:g} s") from None

    def _note(self, error: Any) -> None:
        """Keep what librdkafka says of a connection: whoever asks is only told that no broker is there."""
        # A broker that stops in the midst of a handshake will be back.
        if error.name() in _REFUSED or (error.name() == "_SSL" and "Disconnected" not in error.str()):
            self._refusals.append(error)

    def _refusal(self) -> Any:
        """Why brokers refused, where they did."""
        self._client.poll(0)
        return self._refusals[-1] if self._refusals else None

    def _failure(self, doing: str, found: Any) -> LakeError:
        name, text = (found.name(), redact(found.str())) if hasattr(found, "name") else ("", redact(str(found)))
        message = f"could not {doing}: {self._who}: {text or name}"
        if name in _REFUSED:
            return AuthenticationFailed(
                message, remedy="Check `username`, `password` and `mechanism` of the source, and its rights"
            )
        # Texts name the connection: `sasl_ssl://...`.
        if name == "_SSL" or "ssl" in text.lower().replace("sasl_ssl://", "").replace("ssl://", ""):
            return TlsFailed(message, remedy="Check `tls` of the source: its CA, and the brokers' names")
        if getattr(found, "retriable", lambda: False)() or name in _PASSING:
            return SourceUnavailable(message, remedy="Check that the brokers run, and their addresses in `brokers`")
        return PermanentSourceError(message)

    @property
    def _who(self) -> str:
        return f"the brokers {', '.join(self._config.brokers)}"


_PASSING = ("_TRANSPORT", "_ALL_BROKERS_DOWN", "_TIMED_OUT", "_RESOLVE", "LEADER_NOT_AVAILABLE", "REQUEST_TIMED_OUT")


class _Silent:
    """Discards what librdkafka would write to standard error; the errors tell what matters."""

    def log(self, *_: object, **__: object) -> None:
        """Discard a message."""


def client_settings(config: KafkaConfig) -> dict[str, Any]:
    """The settings of librdkafka.

    Raises:
        ConfigurationError: The password cannot be read.
    """
    settings: dict[str, Any] = {
        "bootstrap.servers": ",".join(config.brokers),
        "client.id": "influx-lake",
        "security.protocol": protocol(config),
    }
    if config.tls is not None:
        files = (("ssl.ca", "ca_file"), ("ssl.certificate", "cert_file"), ("ssl.key", "key_file"))
        for name, option in files:
            if (file := getattr(config.tls, option)) is not None:
                settings[f"{name}.location"] = str(file)
    if config.username is not None and config.password is not None:
        settings |= {
            "sasl.mechanism": config.mechanism,
            "sasl.username": config.username,
            "sasl.password": config.password.reveal(),
        }
    return settings


def protocol(config: KafkaConfig) -> str:
    """The security protocol, by Kafka's names."""
    way = "PLAINTEXT" if config.tls is None else "SSL"
    return way if config.username is None else f"SASL_{way}"
