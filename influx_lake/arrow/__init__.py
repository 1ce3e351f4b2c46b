"""Helpers for Arrow: digests of values, validation of strings, maps as strings, aligned buffers, 64-bit words."""
