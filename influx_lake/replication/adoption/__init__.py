"""Adopts tables that other tools filled: compares each window with the source, and loads those that differ."""
