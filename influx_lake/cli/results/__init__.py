"""Rows as people and programs read them."""
