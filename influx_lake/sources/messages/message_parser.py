"""Parses the messages of a topic to a unit of points, in any process, and opens it in the process that loads it."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from influx_lake.config.connections import KafkaConfig
from influx_lake.sources.messages.lines import LineMessages
from influx_lake.sources.messages.message import DeadLetter, Messages
from influx_lake.sources.messages.objects import ObjectMessages
from influx_lake.sources.points.registry import Registry
from influx_lake.sources.points.staged_file import Unit, UnitWriter

_NANOSECONDS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_MOST_BYTES = 2**62
"""No limit: the messages that are added at once are bounded already."""


@dataclass(frozen=True, slots=True)
class Read:
    """The messages that were read of a partition.

    Attributes:
        topic: The topic.
        partition: The partition.
        first: The offset of the first message.
        next: The offset after the last one.
        messages: How many there were.
        newest: When the newest was written, in milliseconds since 1970.
    """

    topic: str
    partition: int
    first: int
    next: int
    messages: int
    newest: int


@dataclass(slots=True)
class ParsedMessages:
    """Parsed messages.

    Attributes:
        unit: Their points, packed.
        reads: What was read of each partition.
        dead: The unreadable ones.
    """

    unit: bytes
    reads: list[Read] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)


def parse_messages(
    config: KafkaConfig, messages: Iterable[Messages], wanted: Callable[[str], bool] | None = None
) -> ParsedMessages:
    """Parse messages.

    Args:
        config: The options of their format.
        messages: The messages, in the order of precedence.
        wanted: Whether a measurement is in the lake, if points of others are to be dead letters.
    """
    with tempfile.TemporaryDirectory(prefix="influx-lake-messages-") as folder:
        place = Path(folder) / "unit"
        place.mkdir(mode=0o700)
        writer = UnitWriter(place, Path(folder) / "bad", Registry(), _MOST_BYTES)
        parser = _parser(config, writer)
        found = ParsedMessages(b"")
        reads: dict[tuple[str, int], Read] = {}
        for some in messages:
            if not len(some):
                continue
            found.dead += _read(parser, some, config)
            _note(reads, some)
            if wanted is not None and (strangers := _strangers(writer.registry, wanted)):
                found.dead += _of_strangers(config, some, strangers)
        writer.close({"empty": 0})
        found.reads = list(reads.values())
        found.unit = _packed(place)
        return found


def unpack(unit: bytes, folder: Path) -> Unit:
    """The unit of parsed messages, unpacked to a new folder."""
    folder.mkdir(mode=0o700, parents=True)
    with zipfile.ZipFile(io.BytesIO(unit)) as packed:
        packed.extractall(folder)
    return Unit.open(folder, folder / "bad")


def _parser(config: KafkaConfig, writer: UnitWriter) -> LineMessages | ObjectMessages:
    if config.format == "json":
        return ObjectMessages(writer, config)
    return LineMessages(writer, _NANOSECONDS[config.precision])


def _read(parser: LineMessages | ObjectMessages, messages: Messages, config: KafkaConfig) -> list[DeadLetter]:
    """Parse messages; those that are unreadable, empty or too large are returned."""
    dead, begin = list[DeadLetter](), 0
    for place, value in enumerate(messages.values):
        if value and len(value) <= config.max_document:
            continue
        dead += parser.add(messages.some(begin, place)) if begin < place else ()
        begin = place + 1
        if value:
            reason = f"is longer than {config.max_document / 1e6:,.6g} MB (max_document)"
            dead.append(DeadLetter.of(messages, place, reason, ""))
        else:
            dead.append(DeadLetter.of(messages, place, "has no value"))
    if begin < len(messages):
        dead += parser.add(messages.some(begin, len(messages)))
    return dead


def _note(reads: dict[tuple[str, int], Read], messages: Messages) -> None:
    key, newest = (messages.topic, messages.partition), max(messages.times)
    known = reads.get(key)
    first = known.first if known else messages.offsets[0]
    count = len(messages) + (known.messages if known else 0)
    reads[key] = Read(*key, first, messages.offsets[-1] + 1, count, max(newest, known.newest if known else newest))


def _strangers(registry: Registry, wanted: Callable[[str], bool]) -> set[str]:
    return {key.name for key in registry.measurements if not wanted(key.name)}


def _of_strangers(config: KafkaConfig, messages: Messages, strangers: set[str]) -> Iterable[DeadLetter]:
    """Find the messages with points of some measurements; they are rare, so each is parsed by itself."""
    for place in range(len(messages)):
        with tempfile.TemporaryDirectory(prefix="influx-lake-message-") as folder:
            writer = UnitWriter(Path(folder), Path(folder) / "bad", Registry(), _MOST_BYTES)
            _read(_parser(config, writer), messages.some(place, place + 1), config)
            writer.abandon()
        for name in sorted({key.name for key in writer.registry.measurements} & strangers):
            yield DeadLetter.of(messages, place, f"is of the measurement {name!r}, which lake.yaml does not have")


def _packed(folder: Path) -> bytes:
    buffer = io.BytesIO()
    # Its files are already compressed.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as packed:
        for file in sorted(folder.iterdir()):
            packed.write(file, file.name)
    return buffer.getvalue()
