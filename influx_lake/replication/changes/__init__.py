"""Which windows got points after they were loaded: told by databases, kept until they are loaded again."""
