"""Windows proved, and deleted at their source, by runs."""
