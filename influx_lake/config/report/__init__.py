"""What is wrong with a lake.yaml, as a person reads it."""
