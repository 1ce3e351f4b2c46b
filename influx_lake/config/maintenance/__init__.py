"""How tables are kept fast, and what of them is dropped."""
