"""Where lineage events go."""
