"""What is known of streams beside their tables, and the windows that are sealed by it."""
