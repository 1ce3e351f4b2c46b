"""Converts rows of a measurement's table back to points, undoing names, types and transforms."""
