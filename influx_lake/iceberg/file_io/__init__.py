"""pyiceberg's files, for stores that its own reach too slowly, too late or not at all."""
