"""Alerts: Dagster sensors that send notices of failed runs, failed checks and late assets by webhook and mail."""
