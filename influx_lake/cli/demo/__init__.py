"""The demonstration: loads a week of generated metrics and live metrics of this machine from a sandbox into tables."""
