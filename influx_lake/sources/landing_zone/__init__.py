"""Files of points in folders by date, as a pipeline lands them."""

from influx_lake.sources.landing_zone.archive import landing_zone_source

__all__ = ["landing_zone_source"]
