"""Options of transforms: which columns and rows are loaded, and how they are changed."""
