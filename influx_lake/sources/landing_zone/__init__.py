"""Files of points in folders by date, as written by a pipeline."""

from influx_lake.sources.landing_zone.archive import LandingZone, landing_zone_source

__all__ = ["LandingZone", "landing_zone_source"]
