"""What is done with the rows of a measurement on their way into its table."""
