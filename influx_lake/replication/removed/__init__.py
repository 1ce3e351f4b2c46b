"""Rows removed on purpose: erased from the lake, or deleted at their source by off-loading."""
