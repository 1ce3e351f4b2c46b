"""Points that lie in files: taken apart once, kept by time on a local disk, put together again by window."""
