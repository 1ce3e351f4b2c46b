"""Tables that others filled become the lake's own: windows are held against the source, and loaded if they differ."""
