"""Points of topics of Kafka, added to tables seconds after they were written, each once."""
