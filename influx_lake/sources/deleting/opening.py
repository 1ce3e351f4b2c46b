"""Opens the deletion for a type of source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from influx_lake.sources.deleting.deletion import Deletion, NoDeletion

if TYPE_CHECKING:
    from influx_lake.config.connections import SourceConfig

_INFLUXDB3 = (
    "InfluxDB 3 cannot delete a range of time. Set a retention period instead, once points are proved: `influxdb3 "
    "update database --database {database} --retention-period 90d`, where your version has it. Where all of a table is "
    "proved and nobody writes to it any more: `influxdb3 delete table --database {database} TABLE`"
)


def open_deletion(config: SourceConfig) -> Deletion:
    """The deletion for a source; one that objects to every window where the source cannot delete any.

    Raises:
        SourceError: The server has to be asked for its version, and does not report it.
    """
    from influx_lake.config.connections import (
        AutoConfig,
        InfluxDB1Config,
        InfluxDB2Config,
        InfluxDB3Config,
        InfluxDB3ParquetConfig,
    )

    match config:
        case AutoConfig():
            from influx_lake.sources.detection import detected

            return open_deletion(detected(config))
        case InfluxDB1Config():
            from influx_lake.sources.deleting.influxdb1 import InfluxDB1Deletion

            return InfluxDB1Deletion(config)
        case InfluxDB2Config():
            from influx_lake.sources.deleting.influxdb2 import InfluxDB2Deletion

            return InfluxDB2Deletion(config)
        case InfluxDB3Config() | InfluxDB3ParquetConfig():
            return NoDeletion(_INFLUXDB3.format(database=config.database))
    return NoDeletion("points cannot be deleted from files: whoever writes the files decides how long they are kept")
