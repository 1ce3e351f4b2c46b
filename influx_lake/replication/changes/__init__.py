"""Changes: time of a measurement that got points after it was loaded, reported by databases and kept until loaded
again.
"""
