"""Commands on the life of rows: proved, off-loaded, restored, erased."""
