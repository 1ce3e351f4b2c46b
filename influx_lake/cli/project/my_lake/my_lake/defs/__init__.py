"""Each module and each folder with a defs.yaml here is loaded."""
