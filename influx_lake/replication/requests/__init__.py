"""Loads and comparisons that somebody asked for, kept until they are done: by the service, or by runs of Dagster."""
