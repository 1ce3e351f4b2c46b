"""What a table that others made has to become, and what is recorded of it, before it is the lake's own."""
