"""Windows that are too large for one process: cut into parts, which any processes write and one commits."""
