"""The files of a table where they are kept: which of them its metadata name, listing them, deleting them."""
