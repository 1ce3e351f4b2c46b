"""Streams: adds the points of Kafka topics to tables within seconds, each once."""
