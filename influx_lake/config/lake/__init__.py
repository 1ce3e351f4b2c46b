"""The lake: everything that a lake.yaml declares, resolved."""
