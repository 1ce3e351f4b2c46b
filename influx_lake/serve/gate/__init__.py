"""What every request passes first: authentication, rate limits, limits on size and time."""
