"""What does not fit into memory, kept in files."""
