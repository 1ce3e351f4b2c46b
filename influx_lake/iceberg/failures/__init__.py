"""Translates errors of catalogs, stores and drivers: one module for each of those that raise them."""
