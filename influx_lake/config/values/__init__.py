"""Value types of options: windows, times, durations, sizes, names, patterns, SQL expressions."""
