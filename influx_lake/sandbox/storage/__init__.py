"""What was written: parsed, merged, kept."""
