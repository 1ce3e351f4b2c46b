"""Pages of HTML that need no server: one file each, with its style and its pictures, and nothing from elsewhere."""
