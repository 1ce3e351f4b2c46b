from influx_lake_tests.unit.orchestration.conftest import catalog, instance, lake

__all__ = ["catalog", "instance", "lake"]
