"""Reading and counting the rows of a table."""
