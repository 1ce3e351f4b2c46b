"""The options of a measurement."""
