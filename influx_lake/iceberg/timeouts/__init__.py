"""Catalogs with time-outs on every request: their clients would wait for ever, or for a quarter of an hour."""
