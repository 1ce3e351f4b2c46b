"""How tables are to be."""
