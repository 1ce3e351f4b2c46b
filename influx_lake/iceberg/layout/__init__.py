"""How a table is laid out: partition spec, sort order and properties, of new tables and of those that are there."""
