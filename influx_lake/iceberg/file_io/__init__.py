"""pyiceberg's FileIO for stores that its own reaches too slowly, too late or not at all."""
