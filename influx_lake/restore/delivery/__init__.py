"""Delivers line protocol in batches: rate limit, retries, journal of acknowledged points, dead letters."""
