"""Lines on their way: in batches, at a pace, again where that helps, and written down once they are there."""
