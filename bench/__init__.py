"""Benchmarks: holdall compared with its peers and with the limit, as ratios from one run (``nox -s bench``)."""
