"""What the sandbox answers over HTTP and Flight."""
