"""
The frameworks' own tests, with holdall instead of the frameworks' own sessions: ``python -m peers``.

Their source distributions are downloaded when it runs, and nothing of them is kept here. Each suite runs with the
framework's sessions first; what passes there is to pass with ours, but for what ``known.toml`` lists with a reason.
"""
