"""Measurements that people can repeat: each package is run with `python -m benches.NAME` and writes a result file."""
