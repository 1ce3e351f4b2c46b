"""Proofs that a table equals its source: recorded in the table, and checked against all later changes."""
