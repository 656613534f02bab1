"""Benchmarks: ratios against peers, printed by `make bench`."""
