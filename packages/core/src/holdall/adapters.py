"""
What an adapter to a framework is written with.

``SessionGroup`` holds the ``Sessions`` of an application; for each request it begins an ``Exchange``, which the adapter
drives. The rest helps to translate: ``state_of`` shows what is known of a session, ``cache_headers`` and
``merged_vary`` say what caches are told, and ``holdall.nested`` lets several adapters share one request's session.
"""

from holdall._state import SUPERSEDED, Fetched, Intent, Phase, SessionState
from holdall.cache_headers import CACHING_NAMES, CacheHeaders, cache_headers, merged_vary, warn_of_public_cookie
from holdall.cookies import warn_if_exposed
from holdall.exchange import Exchange, Failure, SessionGroup, check_keys, checked_list
from holdall.flashes import Flash, add_flash, take_flashes
from holdall.framework_defaults import absolute_timeout, permanent_max_age
from holdall.lifecycle import ResponseHeaders
from holdall.lifecycle.saving import check_savable
from holdall.migrate import reading_framework_cookies
from holdall.session import state_of
from holdall.settings import Lifetime

__all__ = [
    "CACHING_NAMES",
    "SUPERSEDED",
    "CacheHeaders",
    "Exchange",
    "Failure",
    "Fetched",
    "Flash",
    "Intent",
    "Lifetime",
    "Phase",
    "ResponseHeaders",
    "SessionGroup",
    "SessionState",
    "absolute_timeout",
    "add_flash",
    "cache_headers",
    "check_keys",
    "check_savable",
    "checked_list",
    "merged_vary",
    "permanent_max_age",
    "reading_framework_cookies",
    "state_of",
    "take_flashes",
    "warn_if_exposed",
    "warn_of_public_cookie",
]
