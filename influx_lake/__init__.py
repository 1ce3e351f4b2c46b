"""Moves InfluxDB measurements into Apache Iceberg tables, as Dagster assets, and keeps them right."""

import os
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from influx_lake.component import InfluxLakeComponent

# Arrow's own allocator takes huge pages, of which the kernel clears each as a whole: up to a third of a load's CPU, and
# more memory. Arrow looks at this variable when it is first imported.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

__all__ = ["InfluxLakeComponent", "__version__"]

__version__ = version("influx-lake")


def __getattr__(name: str) -> object:
    # Dagster takes seconds to import, and most of this package does not need it.
    if name == "InfluxLakeComponent":
        from influx_lake.component import InfluxLakeComponent

        return InfluxLakeComponent
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), "InfluxLakeComponent"]
