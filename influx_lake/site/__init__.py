"""The catalog site: static HTML with a page for each measurement."""
