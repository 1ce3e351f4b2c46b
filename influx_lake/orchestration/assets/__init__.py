"""Assets, their checks, and what their pages show."""
