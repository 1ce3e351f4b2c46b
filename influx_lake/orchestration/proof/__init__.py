"""Proving and off-loading of windows by runs."""
