"""Databases, what discovery found in them, and which source archives which."""
