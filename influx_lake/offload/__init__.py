"""Off-loading: deletes windows at their source that are proved to be in the lake; which may be, and in which order."""
