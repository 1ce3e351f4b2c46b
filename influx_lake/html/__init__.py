"""Self-contained HTML pages: templates, charts and calendars, with inline style and SVG."""
