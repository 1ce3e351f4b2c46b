"""Determines which tables a request writes, so that two threads never write the same one."""

from __future__ import annotations

from collections import Counter

from influx_lake.config import Lake
from influx_lake.replication.requests.request import Kind, Request, Runner


class Tables:
    """The tables of a lake, and the shares of shared tables, each by one canonical name.

    Args:
        lake: The lake.
    """

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._called: dict[str, str] = {}
        self._replicated = {(each.name, each.table_name): each.full_name for each in lake.measurements}
        # In the order of `Lake.find`, most specific last.
        for names in (
            [each.name for each in lake.measurements],
            [each.full_name for each in lake.measurements],
            [each.key for each in lake.measurements],
        ):
            counts = Counter(names)
            called = zip(names, lake.measurements, strict=True)
            self._called |= {name: each.full_name for name, each in called if counts[name] == 1}

    def of(self, request: Request) -> frozenset[str]:
        """The canonical names of what a request writes; case is ignored, since catalogs may ignore it."""
        if request.kind is Kind.VERIFY or request.runner is Runner.DAGSTER:
            return frozenset({request.id})
        if request.kind is Kind.REPLICATE:
            table = str(request.body["target_table"])
            return frozenset({self._replicated.get((request.body["measurement"], table), table).casefold()})
        # `*` and names that the lake no longer has are unchanged: the request fails when it is executed.
        return frozenset(self._called.get(name, name).casefold() for name in request.body["measurements"])
