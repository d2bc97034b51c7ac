"""
Decide what happens to a session in one request: this package contains every rule about sessions.

``fetch`` starts a request's use of its session; ``commit`` ends it when the headers are sent, ``finish`` when the body
has been sent, and ``abandon`` replaces both if no headers are sent. ``rules`` decides, and ``actions`` carries out the
decision. All are generators of steps (``holdall.steps``): they yield each call to the store and are sent its result.
"""

from holdall._lifecycle.ending import abandon, commit, commit_unchanged, commit_unused, finish
from holdall._lifecycle.fetching import fetch
from holdall._lifecycle.headers import ExtraHeaders, ResponseHeaders
from holdall._lifecycle.saving import reload, save, update

__all__ = [
    "ExtraHeaders",
    "ResponseHeaders",
    "abandon",
    "commit",
    "commit_unchanged",
    "commit_unused",
    "fetch",
    "finish",
    "reload",
    "save",
    "update",
]
