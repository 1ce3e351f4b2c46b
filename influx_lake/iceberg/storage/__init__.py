"""The files of a table in their store: which ones its metadata references, listing, deleting."""
