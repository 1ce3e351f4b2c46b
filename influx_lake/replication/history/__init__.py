"""Rolls tables back to an earlier snapshot and publishes branches, with the consequences for each measurement."""
