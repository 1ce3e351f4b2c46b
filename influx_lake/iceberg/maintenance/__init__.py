"""Maintenance: keeps tables fast to read, by changes of files and metadata that leave the rows the same."""
