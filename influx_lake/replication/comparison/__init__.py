"""Source against lake: row counts, values, and whether all of a lake is what its source has."""
