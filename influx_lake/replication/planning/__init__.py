"""Which windows a range has, which of them are loaded, and which are due."""
