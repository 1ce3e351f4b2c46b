"""Tells people of what went wrong: a sensor for each way to reach them."""
