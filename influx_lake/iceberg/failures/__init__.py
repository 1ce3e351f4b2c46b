"""What the errors of catalogs, stores and drivers mean: one module for each of those that raise them."""
