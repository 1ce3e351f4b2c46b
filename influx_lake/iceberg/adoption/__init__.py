"""Adoption of tables that other tools filled: schema repair, and recording which windows they cover."""
