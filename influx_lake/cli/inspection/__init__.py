"""Previews of a measurement's table before anything is written: columns, and sample rows."""
