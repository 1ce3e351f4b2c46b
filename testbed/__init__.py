"""What the tests and the benchmarks both start and measure: servers, processes and rows of their own."""
