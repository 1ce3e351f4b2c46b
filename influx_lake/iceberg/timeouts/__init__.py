"""Catalogs and stores that end what is never answered: their clients wait for ever, or for a quarter of an hour."""
