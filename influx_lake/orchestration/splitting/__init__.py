"""Runs that write parts of a window for the run that commits it."""
