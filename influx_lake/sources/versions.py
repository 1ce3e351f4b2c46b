"""Sources that still have every value written to a point, not only the last one."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from influx_lake.sources.protocol import Source


@runtime_checkable
class KeepsVersions(Protocol):
    """A source that can be read by the order of writing."""

    def version(self, *, newest: bool) -> Source:
        """The same points, each field with the value that was written last, or first."""
        ...


def version_of(source: Source, *, newest: bool) -> Source:
    """A source read by the order of writing; unchanged if it has only one value of each."""
    return source.version(newest=newest) if isinstance(source, KeepsVersions) else source
