"""Benchmarks of data preparation beside the tools that people know: `make bench-data`."""
