"""A Telegraf configuration becomes a lake.yaml."""
