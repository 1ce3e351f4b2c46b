"""What a table has to become before rows fit it: staged, and committed with the rows or not at all."""
