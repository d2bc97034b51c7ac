"""
Describe what a configuration guarantees: ``Sessions.describe()``.

Each topic has a value and the requirements that it meets, or does not meet until something is done: those of OWASP's
Application Security Verification Standard 5.0 (``ASVS 7.3.1``) and NIST SP 800-63B-4 (``NIST 2.2.3``). Requirements
that no configuration can decide, because they concern the application, are not included.
"""

import textwrap
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from holdall._backends import SyncBackend
from holdall._cookies import prefix_of
from holdall._settings import Settings
from holdall._timeouts import PRESETS
from holdall.stores._limits import LimitedStore

__all__ = ["Description", "Topic", "described"]


@dataclass(frozen=True, slots=True)
class Topic:
    """
    One aspect that a configuration decides.

    Attributes:
        value: The decision, in words.
        meets: The requirements that it meets.
        lacks: The requirements that it does not meet, each with what to do about it.
    """

    name: str
    value: str
    meets: tuple[str, ...] = ()
    lacks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Description:
    """
    The guarantees of a configuration; ``str`` converts it to text.

    Attributes:
        key: The cookie's name.
        store: The place where sessions are kept, in words.
    """

    key: str
    store: str
    topics: tuple[Topic, ...]

    @property
    def meets(self) -> frozenset[str]:
        """All requirements that are met."""
        return frozenset(line for topic in self.topics for line in topic.meets)

    @property
    def lacks(self) -> dict[str, str]:
        """All requirements that are not met, each with what to do about it."""
        return {line: advice for topic in self.topics for line, advice in topic.lacks.items()}

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-compatible data."""
        return asdict(self)

    def __str__(self) -> str:
        paragraphs = [f"The sessions {self.key!r} are kept in {self.store}."]
        for topic in self.topics:
            lines = [f"{topic.name}: {topic.value}"]
            if topic.meets:
                lines.append(_indented(f"meets {', '.join(topic.meets)}"))
            lines += [_indented(f"lacks {line}: {advice}") for line, advice in topic.lacks.items()]
            paragraphs.append("\n".join(lines))
        return "\n\n".join(paragraphs)


def described(settings: Settings, backend: SyncBackend) -> Description:
    """Return a description of sessions with these *settings* in the store of *backend*."""
    topics = (
        *_cookie(settings),
        _token(backend),
        _kept(backend),
        _inactivity(settings),
        _lifetime(settings),
        _login(settings),
        _ends(settings, backend),
        _limit(backend),
        _freshness(settings),
    )
    return Description(settings.key, _place(backend), topics)


def _cookie(settings: Settings) -> tuple[Topic, ...]:
    header: str | None = getattr(settings.attributes, "header", None)
    if header is None:
        return _name(settings), _flags(settings)
    value = f"the header {header}, which no browser sends by itself, so other sites cannot use it; no cookie"
    return (Topic("transport", value),)


def _name(settings: Settings) -> Topic:
    attributes, prefix = settings.attributes, prefix_of(settings.key)
    value = f"{settings.key}, path {attributes.path}, " + (
        f"domain {attributes.domain}" if attributes.domain else "this host only"
    )
    if prefix is None:
        advice = f"name the cookie __Host-{settings.key}, or __Secure-{settings.key} if several hosts share it"
        return Topic("cookie", value, lacks={"ASVS 3.3.1": advice, "ASVS 3.3.3": advice})
    meets = ["ASVS 3.3.1", "NIST 5.1.1"]
    if not prefix.startswith("__Host-"):
        return Topic("cookie", value, tuple(meets), {"ASVS 3.3.3": "name it __Host-…, unless other hosts share it"})
    return Topic("cookie", value, (*meets, "ASVS 3.3.3"))


def _flags(settings: Settings) -> Topic:
    attributes = settings.attributes
    meets, lacks = ["ASVS 3.3.5"], {}
    if attributes.same_site:
        meets.append("ASVS 3.3.2")
    else:
        lacks["ASVS 3.3.2"] = "set same_site, such as 'Lax'"
    if attributes.http_only:
        meets.append("ASVS 3.3.4")
    else:
        lacks["ASVS 3.3.4"] = "leave out http_only=False"
    secure = {True: "Secure", False: "not Secure", "auto": "Secure over HTTPS"}[attributes.secure]
    age = "until the browser closes" if settings.lifetime.max_age is None else f"for {_span(settings.lifetime.max_age)}"
    parts = [secure, "HttpOnly" if attributes.http_only else "visible to scripts", f"SameSite={attributes.same_site}"]
    return Topic("attributes", f"{', '.join(parts)}; the browser keeps it {age}", tuple(meets), lacks)


def _token(backend: SyncBackend) -> Topic:
    meets = ["ASVS 7.2.1", "ASVS 7.2.2"]
    if not _is_in_cookie(backend):
        meets += ["ASVS 7.2.3", "ASVS 11.5.1", "NIST 5.1"]
        return Topic("token", "an ID of 240 random bits, generated only here", tuple(meets))
    meets += ["ASVS 9.1.1", "ASVS 9.1.2", "ASVS 9.1.3"]
    if _format(backend) == "native":
        meets += ["ASVS 9.2.1", "ASVS 9.2.2", "ASVS 9.2.3"]
        return Topic("token", "the session itself, sealed for this application and this cookie", tuple(meets))
    lacks = dict.fromkeys(("ASVS 9.2.2", "ASVS 9.2.3"), "use format='native', which binds a cookie to its application")
    return Topic("token", "the session itself, sealed in another library's format", tuple(meets), lacks)


def _kept(backend: SyncBackend) -> Topic:
    if _is_in_cookie(backend):
        noted = "; a row for each session of a user, without its data" if backend.can_revoke else ""
        large = "; in a row if it does not fit into the cookie" if _overflows(backend) else ""
        return Topic("data", f"in the browser{noted}{large}")
    # A store that migrates sessions wraps the one that keeps them.
    sealer = getattr(getattr(backend.store, "store", backend.store), "_sealer", None)
    if sealer is None:
        leaves = getattr(backend.table, "leaves_process", True)
        return Topic("data", "unencrypted, in a table that others can read" if leaves else "in this process")
    if sealer.has_secret:
        return Topic("data", "encrypted under the ID and the secret: write access to rows cannot forge a session")
    return Topic("data", "encrypted under the ID alone: write access to rows can forge sessions; set secret_key_base")


def _inactivity(settings: Settings) -> Topic:
    seconds = settings.idle_timeout
    if seconds is None:
        return Topic("idle timeout", "none", lacks={"ASVS 7.3.1": "set idle_timeout"})
    return Topic("idle timeout", _span(seconds), ("ASVS 7.3.1", "NIST 5.2"))


def _lifetime(settings: Settings) -> Topic:
    idle, absolute = settings.idle_timeout, settings.absolute_timeout
    meets, lacks = [], {}
    if absolute is None:
        lacks["ASVS 7.3.2"] = "set absolute_timeout"
    else:
        meets.append("ASVS 7.3.2")
    for name, preset in PRESETS.items():
        line = f"NIST {preset.section}"
        # NIST sets no inactivity limit for the first level.
        is_idle_enough = name == "aal1" or (idle is not None and idle <= preset.idle.total_seconds())
        if is_idle_enough and absolute is not None and absolute <= preset.absolute.total_seconds():
            meets.append(line)
        else:
            lacks[line] = f"timeouts={name!r}, if the application needs this level"
    value = "none" if absolute is None else f"{_span(absolute)} from the login, or from the start without one"
    return Topic("absolute timeout", value, tuple(meets), lacks)


def _login(settings: Settings) -> Topic:
    if not settings.principals:
        return Topic("login", "users are not recognized", lacks={"ASVS 7.2.4": "leave out principal_key=None"})
    keys = ", ".join(settings.principals.keys)
    unnamed = "; set principal_key for another key" if settings.principals.guessed else ""
    return Topic("login", f"a new ID when the user changes; the user is in {keys}{unnamed}", ("ASVS 7.2.4",))


def _ends(settings: Settings, backend: SyncBackend) -> Topic:
    if backend.can_revoke and settings.principals:
        meets = ("ASVS 7.4.1", "ASVS 7.4.2", "ASVS 7.4.3", "ASVS 7.4.5", "ASVS 7.5.2")
        return Topic("end", "at the logout, everywhere; sessions.list and sessions.revoke for each user", meets)
    if backend.can_revoke:
        advice = "leave out principal_key=None"
        lines = ("ASVS 7.4.2", "ASVS 7.4.3", "ASVS 7.5.2")
        return Topic("end", "at the logout, everywhere", ("ASVS 7.4.1",), dict.fromkeys(lines, advice))
    table = "keep sessions in a table"
    lacks = {"ASVS 7.4.1": f"a copy of the cookie works until its timeout: {table}", "ASVS 7.5.2": table}
    if settings.valid_since is not None:
        return Topic("end", "of all sessions of a user, by valid_since", ("ASVS 7.4.2", "ASVS 7.4.5"), lacks)
    lacks |= dict.fromkeys(("ASVS 7.4.2", "ASVS 7.4.5"), f"set valid_since, or {table}")
    return Topic("end", "in this browser, at the logout", lacks=lacks)


def _limit(backend: SyncBackend) -> Topic:
    store = backend.store
    if isinstance(store, LimitedStore):
        after = "another login is refused" if store.refuses else "another login ends the oldest"
        return Topic("sessions of a user", f"at most {store.most}; {after}", ("ASVS 7.1.2",))
    return Topic("sessions of a user", "any number", ("ASVS 7.1.2",))


def _freshness(settings: Settings) -> Topic:
    if settings.record_login:
        value = "recorded; session.require_fresh and session.require_level check it"
        return Topic("authentication", value, ("ASVS 7.5.1", "ASVS 7.5.3"))
    advice = "set record_login=True, and let views call session.require_fresh or session.require_level"
    return Topic("authentication", "not recorded", lacks=dict.fromkeys(("ASVS 7.5.1", "ASVS 7.5.3"), advice))


def _place(backend: SyncBackend) -> str:
    table = type(backend.table).__name__
    if not _is_in_cookie(backend):
        return table
    revocable = f", revocable by {table}" if backend.can_revoke else ""
    return f"cookies ({_format(backend)}){revocable}" + (f", overflowing into {table}" if _overflows(backend) else "")


def _is_in_cookie(backend: SyncBackend) -> bool:
    return not backend.can_revoke or hasattr(backend.store, "rows")


def _overflows(backend: SyncBackend) -> bool:
    from holdall.stores._overflow import OverflowStore

    return isinstance(getattr(backend.store, "_store", backend.store), OverflowStore)


def _format(backend: SyncBackend) -> str:
    store = backend.store
    while not hasattr(store, "format") and hasattr(store, "store"):
        store = store.store
    format = getattr(store, "format", None)
    return str(getattr(format, "name", type(format).__name__))


def _span(seconds: int) -> str:
    """Return a span of time as ``timedelta`` formats it, without a trailing ``0:00:00``."""
    return str(timedelta(seconds=seconds)).removesuffix(", 0:00:00")


def _indented(text: str) -> str:
    return textwrap.fill(text, 100, initial_indent="  ", subsequent_indent="    ")
