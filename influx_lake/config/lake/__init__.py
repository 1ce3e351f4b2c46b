"""Loads a lake.yaml to a `Lake`: all sections, validated and resolved."""
