"""What is proved of a table: kept in it, and held against all that happened to it since."""
