"""How much of a lake is proved to be its source's, and what tells it to others."""
