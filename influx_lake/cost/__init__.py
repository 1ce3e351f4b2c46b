"""Cost report: size and cost of the data at the source and in the lake, and what off-loading saves."""
