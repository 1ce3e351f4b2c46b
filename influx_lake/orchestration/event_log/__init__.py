"""The event log of runs: the project's warnings in it, and faster storage."""
