"""Commits files: the plan, the snapshot and the retries."""
