"""Live views: rows that a source has and the lake's table does not yet, joined to the table at query time."""
