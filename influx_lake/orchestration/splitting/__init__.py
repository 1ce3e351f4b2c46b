"""Runs that write parts of a window which another run commits."""
