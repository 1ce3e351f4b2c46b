"""Commands that tell of the lake and change nothing in it."""
