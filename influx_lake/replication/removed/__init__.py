"""Rows that are gone on purpose: erased in the lake, or deleted at their source because the lake has them."""
