"""Reads landed files where they lie, without staging them."""
