"""Converts processors of Telegraf: each module has those of one kind, by their names in Telegraf."""
