"""Roll-ups: downsampled tables computed from measurements' tables by DuckDB."""
