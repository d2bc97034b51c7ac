"""
Provide the API for writing an adapter to a framework.

``SessionGroup`` holds the ``Sessions`` of an application. For each request it creates an ``Exchange``, which the
adapter drives. The rest are helpers: ``state_of`` gives access to a session's state, ``cache_headers`` and
``merged_vary`` compute the headers for caches, ``HiddenBytes`` keeps a Cookie header out of error reports, and
``holdall.nested`` lets several adapters share one request's session.
"""

from holdall._after_failure import after_failure
from holdall._cache_headers import CACHING_NAMES, CacheHeaders, cache_headers, merged_vary, warn_of_public_cookie
from holdall._clock import Clock, utc_now
from holdall._cookie_header import FindHeader, SentCookie
from holdall._cookie_options import CookieRequest, OptionsOf
from holdall._cookies import ConfigureOptions, OldKeys
from holdall._exchange import Exchange, Failure, SessionGroup
from holdall._exposed import warn_if_exposed
from holdall._factory import Options, TableStoreOptions
from holdall._flashes import Flash, add_flash, take_flashes
from holdall._framework_defaults import permanent_max_age, with_cookie_settings, with_timeouts
from holdall._group_checks import check_keys, checked_list
from holdall._header_lists import environ_header, for_caches, with_session_headers
from holdall._lifecycle import ResponseHeaders
from holdall._lifecycle.saving import check_savable
from holdall._migrate import reading_framework_cookies, refuse_options
from holdall._option_hints import meant_by
from holdall._recorded_login import record_repeated_login
from holdall._redacted import HiddenBytes
from holdall._session import AsyncSession, state_of
from holdall._session_view import SessionView
from holdall._setting_names import naming
from holdall._settings import Lifetime, ValidSince
from holdall._state import NOT_STORED, SUPERSEDED, FetchResult, Intent, Phase, SessionState
from holdall._timeouts import PresetName
from holdall._unawaited import to_be_awaited
from holdall._workers import several_workers
from holdall.device_bound._messages import EndpointRequest, EndpointResponse
from holdall.stores._contract import ClientInfo

__all__ = [
    "CACHING_NAMES",
    "NOT_STORED",
    "SUPERSEDED",
    "AsyncSession",
    "CacheHeaders",
    "ClientInfo",
    "Clock",
    "ConfigureOptions",
    "CookieRequest",
    "EndpointRequest",
    "EndpointResponse",
    "Exchange",
    "Failure",
    "FetchResult",
    "FindHeader",
    "Flash",
    "HiddenBytes",
    "Intent",
    "Lifetime",
    "OldKeys",
    "Options",
    "OptionsOf",
    "Phase",
    "PresetName",
    "ResponseHeaders",
    "SentCookie",
    "SessionGroup",
    "SessionState",
    "SessionView",
    "TableStoreOptions",
    "ValidSince",
    "add_flash",
    "after_failure",
    "cache_headers",
    "check_keys",
    "check_savable",
    "checked_list",
    "environ_header",
    "for_caches",
    "meant_by",
    "merged_vary",
    "naming",
    "permanent_max_age",
    "reading_framework_cookies",
    "record_repeated_login",
    "refuse_options",
    "several_workers",
    "state_of",
    "take_flashes",
    "to_be_awaited",
    "utc_now",
    "warn_if_exposed",
    "warn_of_public_cookie",
    "with_cookie_settings",
    "with_session_headers",
    "with_timeouts",
]
