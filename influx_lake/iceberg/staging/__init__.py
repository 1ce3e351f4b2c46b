"""Stages the changes that a table needs before rows fit it; they are committed with the rows, or not at all."""
