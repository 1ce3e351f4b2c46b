"""Loading the windows of a step, and storing what assets return."""
