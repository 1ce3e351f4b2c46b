"""A page for each measurement, for people who want to know what is in the lake."""
