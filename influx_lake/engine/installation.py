"""Installs the plugin in a database, removes it, and checks whether it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from influx_lake.config.values.units import format_duration
from influx_lake.config.values.windows import from_nanoseconds, utc_text
from influx_lake.engine.server import EngineServer, Installed, reason
from influx_lake.engine.triggers import PLUGIN, Trigger
from influx_lake.errors import ConfigurationError, SourceError

SILENT = timedelta(minutes=2)
"""The age of the last heartbeat at which the plugin counts as silent; it sends one every few seconds."""
_FILE_IS_MISSING = ("plugin not found", "no such file", "reading plugin file")


@dataclass(frozen=True, slots=True)
class Step:
    """The action taken on a trigger: `created`, `replaced`, `kept` or `removed`."""

    trigger: str
    done: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding about the plugin.

    Attributes:
        ok: Whether all is well.
        message: The finding, in words.
        remedy: What to do about it.
    """

    ok: bool
    message: str
    remedy: str | None = None


def install(server: EngineServer, triggers: Sequence[Trigger]) -> tuple[list[Step], str | None]:
    """Install the plugin in a database; what is as wanted already is kept.

    Args:
        server: The database's processing engine.
        triggers: The triggers to create.

    Returns:
        What was done, and why the file could not be uploaded, where it was there already.

    Raises:
        ConfigurationError: The file is not there and cannot be uploaded.
        SourceError: The server refuses.
    """
    refusal: SourceError | None = None
    try:
        server.upload()
    except SourceError as error:
        if error.transient:
            raise
        # Also where nobody is known: a server that asks for no tokens takes files from administrators alone.
        refusal = error
    installed, steps = server.triggers(), []
    for trigger in triggers:
        known = installed.get(trigger.name)
        if known is not None and matches(known, trigger):
            steps.append(Step(trigger.name, "kept"))
            continue
        if known is not None:
            server.delete(trigger.name)
        _create(server, trigger, refusal)
        steps.append(Step(trigger.name, "created" if known is None else "replaced"))
    return steps, reason(refusal) if refusal else None


def remove(server: EngineServer, triggers: Sequence[Trigger]) -> list[Step]:
    """Remove the plugin's triggers from a database. The file and the table of changes stay.

    Raises:
        SourceError: The server refuses.
    """
    installed = server.triggers()
    names = [trigger.name for trigger in triggers if trigger.name in installed]
    for name in names:
        server.delete(name)
    return [Step(name, "removed") for name in names]


def matches(known: Installed, trigger: Trigger) -> bool:
    """Whether an installed trigger matches the wanted one, as far as the server tells."""
    return not known.disabled and known.arguments in (None, dict(trigger.arguments)) and known.file == PLUGIN.name


def look(server: EngineServer, triggers: Sequence[Trigger]) -> Iterator[Finding]:
    """Check whether the triggers exist and are enabled, and since when the plugin is silent.

    Raises:
        SourceError: The server cannot be asked.
    """
    installed = server.triggers()
    install_again = "Make them anew: influx-lake engine install"
    if missing := [trigger.name for trigger in triggers if trigger.name not in installed]:
        yield Finding(False, f"triggers are missing: {', '.join(missing)}", "Make them: influx-lake engine install")
        return
    for trigger in triggers:
        # How it tells is for who installed it to say.
        known = installed[trigger.name]
        if known.disabled:
            yield Finding(False, f"the trigger {trigger.name} is switched off", install_again)
        elif (
            known.file != PLUGIN.name or not trigger.arguments.items() <= (known.arguments or trigger.arguments).items()
        ):
            yield Finding(False, f"the trigger {trigger.name} is not what lake.yaml makes of it now", install_again)
    try:
        yield from _status_findings(server.status())
    except SourceError as error:
        yield Finding(False, f"the plugin does not answer: {reason(error)}", _LOGS)


_LOGS = "See what the server says: SELECT * FROM system.processing_engine_logs ORDER BY event_time DESC LIMIT 20"


def _status_findings(status: Mapping[str, object]) -> Iterator[Finding]:
    now = time.time_ns()
    ticked, since = status.get("ticked"), status.get("since")
    heard = ticked if isinstance(ticked, int) else since if isinstance(since, int) else None
    if heard is None or now - heard > SILENT.total_seconds() * 1e9:
        silent = f"since {utc_text(from_nanoseconds(heard))}" if heard else "from the beginning"
        yield Finding(False, f"the plugin is silent {silent}: its trigger that ticks does not run", _LOGS)
        return
    flushed = status.get("flushed")
    points = f"{status.get('points'):,} points seen, the last {_ago(flushed)}" if flushed else "no points seen yet"
    if status.get("failures"):
        problem = f"{status.get('pending')} changes cannot be told, and wait: {status.get('error')}"
        yield Finding(
            False, problem, f"{status.get('tells')} has to be reached from the database, with a token that it takes"
        )
        return
    yield Finding(True, f"the plugin runs: {points}; {status.get('changes'):,} changes told to {status.get('tells')}")


def _ago(moment: object) -> str:
    seconds = (time.time_ns() - moment) // 10**9 if isinstance(moment, int) else 0
    return f"{format_duration(timedelta(seconds=seconds))} ago" if seconds > 0 else "just now"


def _create(server: EngineServer, trigger: Trigger, refusal: SourceError | None) -> None:
    try:
        server.create(trigger)
    except SourceError as error:
        if refusal is not None and any(words in error.message.lower() for words in _FILE_IS_MISSING):
            raise ConfigurationError(
                f"the plugin's file is not in the server's plugin directory, and it was not taken: {reason(refusal)}",
                remedy=f"Copy {PLUGIN} into the server's --plugin-dir, and install again",
            ) from None
        raise
