"""Lists databases and measurements of servers, a limited number at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from influx_lake.config import Lake
from influx_lake.config.connections import ServerConfig
from influx_lake.config.sources.databases import DatabaseGroup
from influx_lake.errors import LakeError

if TYPE_CHECKING:
    from influx_lake.sources.protocol import Source

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_T = TypeVar("_T")


class Look:
    """A survey of the servers of a lake. Errors are collected, and the other servers are still asked.

    Args:
        lake: The lake.
        open_source: Opens a source by its name, also one of a database that the lake does not know yet.

    Attributes:
        found: The measurements of each source that answered; none of one whose database the server no longer has.
        left_out: What each source lists besides measurements, in words.
        failures: The errors.
        lake: The lake, with the first points of new measurements that begin at `first_point`.
    """

    def __init__(self, lake: Lake, open_source: Callable[[str], AbstractContextManager[Source]]) -> None:
        self.found: dict[str, tuple[str, ...]] = {}
        self.left_out: dict[str, str] = {}
        self.failures: list[LakeError] = []
        self.lake = self._lake = lake
        self._open_source = open_source
        self._unreachable: set[str] = set()

    def around(self, now: datetime) -> None:
        """Ask each server for its databases, and the databases whose turn it is for their measurements."""
        lake, options = self._lake, self._lake.operation.discovery
        servers = {name: config for name, config in lake.sources.items() if isinstance(config, ServerConfig)}
        asked = {name: config for name, config in servers.items() if not any(each.holds(name) for each in lake.groups)}
        for group in lake.groups:
            asked |= self._databases(group)
        tick = (now - _EPOCH) // options.every
        for name in in_turn(sorted(asked), options.databases_at_once, tick):
            self._ask(name, asked[name])

    def _databases(self, group: DatabaseGroup) -> dict[str, ServerConfig]:
        from influx_lake.sources.databases import databases_of

        there = self._answer(group.server, lambda: databases_of(group.server))
        if there is None:
            return {}
        names = [group.source_name(database) for database in group.wanted(there)]
        self.found |= {name: () for name in filter(group.holds, self._lake.sources) if name not in names}
        return {name: group.source(name) for name in names}

    def _ask(self, name: str, config: ServerConfig) -> None:
        from influx_lake.replication.discovery import with_first_points
        from influx_lake.sources.listing import Listing, listing_of

        def tables() -> Listing:
            with ExitStack() as stack:
                opened = cache(lambda each: stack.enter_context(self._open_source(each)))
                listing = listing_of(opened(name))
                self.lake = with_first_points(self.lake, {name: listing.wanted(self._lake.named(name))}, opened)
                return listing

        answer = self._answer(config, tables)
        if answer is not None:
            named = self._lake.named(name)
            self.found[name] = answer.wanted(named)
            if said := answer.left_out(named):
                self.left_out[name] = said

    def _answer(self, config: ServerConfig, ask: Callable[[], _T]) -> _T | None:
        """The answer; None where it failed, or where the server was found unreachable before."""
        if config.address.url in self._unreachable:
            return None
        try:
            return ask()
        except LakeError as error:
            self.failures.append(error)
            if error.transient:
                self._unreachable.add(config.address.url)
            return None


def in_turn(names: Sequence[str], at_once: int, tick: int) -> list[str]:
    """The names whose turn it is: each tick the next ones, so that none waits for ever, whatever fails."""
    if len(names) <= at_once:
        return list(names)
    start = tick * at_once % len(names)
    return [*names, *names][start : start + at_once]
