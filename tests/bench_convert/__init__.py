"""Benchmark of the Tardis converter beside hftbacktest's own: `make bench-convert`."""
