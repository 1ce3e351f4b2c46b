"""The HTTP service: loads, comparisons and what is known of a lake, on demand."""
