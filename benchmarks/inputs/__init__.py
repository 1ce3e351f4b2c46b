"""What benchmarks measure, and the lakes that they measure it on."""
