"""Data files that were written for a window somewhere else, described so that one process can commit them all."""
