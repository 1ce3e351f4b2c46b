"""Assets, their checks, and the content of their pages."""
