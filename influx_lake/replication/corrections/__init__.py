"""Values that were corrected, and which side has them: InfluxDB 3 Core takes corrections back."""
