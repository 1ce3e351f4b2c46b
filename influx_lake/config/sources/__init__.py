"""Sources beyond single entries: many databases of a server, discovery results, archives."""
