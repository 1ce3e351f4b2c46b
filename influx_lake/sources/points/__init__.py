"""Points of files: parsed once, stored by time on a local disk, and assembled by window."""
