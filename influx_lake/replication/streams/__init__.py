"""The ledgers of streams, and sealing of the windows that streams fill."""
