"""Compares lake and source: row counts, column profiles and digests of values; keeps the resulting proofs."""
