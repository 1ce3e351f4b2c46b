"""The YAML document, with the line of each of its values."""
