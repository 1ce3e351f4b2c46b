"""Commands that run a server until they are ended."""
