"""Secrets, and where they are read from."""
