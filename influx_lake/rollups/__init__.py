"""Downsampled tables, computed from those of measurements."""
