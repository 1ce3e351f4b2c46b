"""Loads the windows of a step, and stores the outputs of assets."""
