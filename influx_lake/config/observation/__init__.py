"""Who is told of loads: where lineage events and metrics go."""
