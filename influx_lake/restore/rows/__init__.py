"""Rows of a measurement's table as the points that they were made of."""
