"""The sandbox's network interfaces: HTTP API and Arrow Flight."""
