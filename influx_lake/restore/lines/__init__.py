"""Points as line protocol."""
