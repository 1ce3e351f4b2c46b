"""Converts a Telegraf configuration to a lake.yaml."""
