"""Benchmarks that compare holdall with its peers and with a lower bound, as ratios from one run (``nox -s bench``)."""
