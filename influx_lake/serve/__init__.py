"""The HTTP service `influx-lake serve`: loads, comparisons and status of a lake on demand."""
