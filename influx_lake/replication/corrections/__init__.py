"""Decides which side has the newer values where source and lake differ: InfluxDB 3 Core can revert corrected points."""
