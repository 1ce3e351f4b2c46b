"""References `${...}` in lake.yaml, and the stores that they read: environment, files, AWS."""
