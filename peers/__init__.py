"""
The frameworks' own tests, with holdall instead of the frameworks' own sessions: ``python -m peers``.

Their source distributions are downloaded when this runs, and nothing of them is kept here. Each suite runs with the
framework's sessions first. A test that passes there must pass with ours, unless ``known.toml`` lists it with a reason.
"""
