"""Benchmarks: holdall beside its peers and beside the limit, as ratios from one run. Run them by ``nox -s bench``."""
