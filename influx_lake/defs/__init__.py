"""Assets of your own: every module here is loaded with the lake, and may use its tables and resources."""
