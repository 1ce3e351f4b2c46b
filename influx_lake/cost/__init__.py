"""What the data take up and cost, at the source and in the lake, and what off-loading saves."""
