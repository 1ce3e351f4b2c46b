"""Values of options: windows, times, units, names, patterns."""
