"""The options of measurements, and their resolution to `Measurement`s."""
