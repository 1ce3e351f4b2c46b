"""Opening a catalog, and what its commits need: names, retries and the lock."""
