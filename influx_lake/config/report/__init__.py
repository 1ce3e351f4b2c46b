"""Reports mistakes in a lake.yaml with file, line, path and suggestion."""
