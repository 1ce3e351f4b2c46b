"""What a source has beyond the lake's tables, as rows of these: one view over both."""
