"""Keeps tables fast to read: what is done to files and metadata while the rows stay the same."""
