"""
What happens to a session in one request: every rule about sessions stands here, and none elsewhere.

``fetch`` begins a request's use of its session, ``commit`` ends it when the headers go, ``finish`` when the body has
gone, and ``abandon`` in place of both where no headers of ours go. ``enter``, ``leave`` and ``release`` are the parts
of a block that has one key to itself (``session.atomic``); ``save`` and ``reload`` are for requests that last. Each is
a generator of steps (``holdall.steps``): what needs the store is yielded, and the answer comes back.
"""

from holdall.lifecycle.blocks import enter, leave, release
from holdall.lifecycle.committing import commit, pass_by
from holdall.lifecycle.fetching import fetch
from holdall.lifecycle.headers import ResponseHeaders
from holdall.lifecycle.lasting import abandon, can_save, finish, reload, save
from holdall.lifecycle.store_steps import Delete, Get, Lease, Move, Put, Release, Step

__all__ = [
    "Delete",
    "Get",
    "Lease",
    "Move",
    "Put",
    "Release",
    "ResponseHeaders",
    "Step",
    "abandon",
    "can_save",
    "commit",
    "enter",
    "fetch",
    "finish",
    "leave",
    "pass_by",
    "release",
    "reload",
    "save",
]
