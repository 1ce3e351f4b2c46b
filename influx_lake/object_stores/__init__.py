"""Object stores where they differ from a file system; sources and tables share it."""
