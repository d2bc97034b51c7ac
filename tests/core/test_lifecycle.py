"""The rules of a session without a store: each test plays the store itself, step by step."""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from holdall import CookieOverflowError, LostWriteError, ResponseStartedError, Session, StoreError
from holdall import _lifecycle as lifecycle
from holdall._cookie_header import OldCookie
from holdall._cookies import CookieAttributes
from holdall._lifecycle.fetching import fetched_at_once
from holdall._lifecycle.headers import other_names
from holdall._lifecycle.saving import can_save
from holdall._principals import principal_keys
from holdall._session import state_of
from holdall._settings import Lifetime, Settings
from holdall._state import FetchResult, FetchResultOfSeveral, Phase, SessionState
from holdall.formats import Record
from holdall.stores import Changes, ForeignSession, NotFound, StoredSession, Write
from holdall.stores._cookie import SealedSession

NOON = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp())
DAY = 24 * 3600
MINUTE = 60


@dataclass
class Get:
    cookie: str
    key: str


@dataclass
class Put:
    stored: StoredSession | None
    draft: Write
    key: str


@dataclass
class Delete:
    stored: StoredSession
    key: str
    superseded_until: int | None = None


class PlayedStore:
    """A store played by the test: each call is a step, and the test sends the answer."""

    def get(self, cookie: str, *, key: str) -> Any:
        return (yield Get(cookie, key))

    def put(self, stored: StoredSession | None, write: Write, *, key: str) -> Any:
        return (yield Put(stored, write, key))

    def delete(self, stored: StoredSession, *, key: str, superseded_until: int | None = None) -> Any:
        return (yield Delete(stored, key, superseded_until))


class Played:
    """The backend of a session whose store is played by the test."""

    store = reading = PlayedStore()
    can_mark_ended = can_renew = False
    table = None

    def __init__(self, settings: Settings, fetched: FetchResult | None = None) -> None:
        self.settings = settings
        self._fetched = fetched

    def fetch(self, state: SessionState) -> FetchResult:
        assert self._fetched is not None
        return self._fetched

    def check(self, key: str, value: Any) -> None:
        if value == ["bad"]:
            raise TypeError(key)


def fetch(cookies: list[Any], settings: Settings, *, now: int) -> Any:
    return lifecycle.fetch(cookies, Played(settings), now=now)


def commit(session: Session, settings: Settings, *, now: int, **options: Any) -> Any:
    _drive(session, settings)
    return lifecycle.commit(state_of(session), now=now, **options)


def finish(session: Session, settings: Settings, *, now: int) -> Any:
    _drive(session, settings)
    return lifecycle.finish(state_of(session), now=now)


def abandon(session: Session, settings: Settings, *, now: int, **options: Any) -> Any:
    _drive(session, settings)
    return lifecycle.abandon(state_of(session), now=now, **options)


def _drive(session: Session, settings: Settings) -> None:
    state_of(session).settings = state_of(session).backend.settings = settings


class Told(list[tuple[str, str, str]]):
    """The events that were emitted."""

    def settings(self, **settings: Any) -> Settings:
        settings = {"idle_timeout": 7 * DAY, "absolute_timeout": 30 * DAY, "principal_key": "user_id", **settings}
        attributes = CookieAttributes("_shop", **settings.pop("cookie", {}))
        principals = principal_keys(settings.pop("principal_key"))
        return Settings(attributes, lambda *event: self.append(event), principals=principals, **settings)


@pytest.fixture
def told() -> Told:
    return Told()


def stored(cookie: str = "old", *, version: int | None = 1, rewrite: bool = False, **data: Any) -> StoredSession:
    """Return a session that began at noon; with the version ``None``, one in a cookie."""
    found = StoredSession(cookie, data, NOON, NOON + 7 * DAY, f"log id of {cookie}", version)
    return ForeignSession(found, "", rewrite=True) if rewrite else found


def use(
    settings: Settings, found: StoredSession | None = None, *, late: bool = False, kind: type[Session] = Session
) -> Session:
    return kind(SessionState(Played(settings, FetchResult(found, superseded=late)), (), https=False))


def end(steps: Generator[Any, Any, Any], answer: Any = None) -> Any:
    """Send the last *answer* and return the result of the steps."""
    with pytest.raises(StopIteration) as stop:
        steps.send(answer)
    return stop.value.value


def put(expected: StoredSession | None, step: Any, data: dict[str, Any], **changes: Any) -> None:
    """Check that *step* writes *data*, with these changes, over the expected version."""
    assert isinstance(step, Put)
    assert step.stored is expected
    assert step.draft.data == data
    assert step.draft.changes == Changes(**{"put": {}, **changes})


# Fetching.


def test_without_a_cookie_the_store_is_not_called(told: Told) -> None:
    assert end(fetch([], told.settings(), now=NOON)) == FetchResult()
    assert told == []


def test_the_one_cookie_that_holds_a_session_is_used(told: Told) -> None:
    steps = fetch(["tossed", "ours", "tossed too"], told.settings(), now=NOON)

    assert next(steps) == Get("tossed", "_shop")
    assert steps.send(NotFound("unknown")) == Get("ours", "_shop")
    assert steps.send(stored("ours")) == Get("tossed too", "_shop")
    assert end(steps, NotFound("unreadable")) == FetchResult(stored("ours"))
    assert told == []


def test_two_cookies_with_sessions_are_ambiguous(told: Told) -> None:
    steps = fetch(["ours", "tossed"], told.settings(), now=NOON)
    next(steps)
    steps.send(stored("ours"))

    assert end(steps, stored("tossed")) == FetchResult()
    assert told == [("rejected", "duplicate", "")]


def test_four_cookies_are_tried(told: Told) -> None:
    steps = fetch(list("abcd"), told.settings(), now=NOON)
    asked = [next(steps)] + [steps.send(NotFound("unknown")) for _ in range(3)]

    assert end(steps, stored("d")) == FetchResult(stored("d"))
    assert [step.cookie for step in asked] == list("abcd")


@pytest.mark.parametrize("number", [5, 17, 1000])
def test_more_than_four_cookies_are_not_tried(told: Told, number: int) -> None:
    # If some were tried, an attacker who sent the others could choose which.
    assert end(fetch([str(each) for each in range(number)], told.settings(), now=NOON)) == FetchResult()
    assert told == [("rejected", "too many duplicates", "")]


def test_each_old_name_and_place_allows_one_more_cookie(told: Told) -> None:
    old = CookieAttributes("_old"), CookieAttributes("_shop", path="/shop")
    settings = told.settings(old_cookies=old)
    six, seven = ([OldCookie("_old", str(each)) for each in range(number)] for number in (6, 7))

    steps = fetch(six, settings, now=NOON)
    assert next(steps) == Get("0", "_old")
    for number in range(1, 6):
        assert steps.send(NotFound("unknown")) == Get(str(number), "_old")
    assert end(steps, stored("5")) == FetchResult(stored("5"), old_key="_old")
    assert end(fetch(seven, settings, now=NOON)) == FetchResult()
    assert told[-1] == ("rejected", "too many duplicates", "")


def test_a_flood_under_an_old_name_hides_no_present_cookie_and_is_not_read(told: Told) -> None:
    settings = told.settings(old_cookies=(CookieAttributes("_old"),))
    flood = [OldCookie("_old", str(each)) for each in range(100)]

    steps = fetch(["ours", *flood], settings, now=NOON)
    next(steps)
    assert end(steps, stored("ours")) == FetchResult(stored("ours"))

    steps = fetch(["bad", *flood], settings, now=NOON)
    next(steps)
    assert end(steps, NotFound("unknown")) == FetchResult()
    assert told[-1] == ("rejected", "too many duplicates", "")


def test_a_marker_of_an_ended_session_is_not_taken_for_a_copy_of_another(told: Told) -> None:
    settings = told.settings(old_cookies=(CookieAttributes("_shop", path="/shop"),))
    lasting = SealedSession("1", Record({"cart": 1}, NOON, NOON + 7 * DAY, "1" * 16, 0, b"line"))
    marker = SealedSession("2", Record({}, NOON, NOON + 8 * DAY, "2" * 16, 3, b"else", ended=True))
    steps = fetch(["1", "2"], settings, now=NOON + DAY)
    next(steps)
    steps.send(lasting)

    assert end(steps, marker) == FetchResult()
    assert told == [("rejected", "duplicate", "")]


@pytest.mark.parametrize("now", [NOON, NOON + 40 * DAY])
def test_a_marker_of_an_ended_session_alone_is_no_session_and_not_reported(told: Told, now: int) -> None:
    marker = SealedSession("1", Record({}, NOON, NOON + 100 * DAY, "1" * 16, 3, b"line", ended=True))
    steps = fetch(["1"], told.settings(), now=now)
    next(steps)

    assert fetched_at_once(marker, told.settings(), now=now) is None
    assert end(steps, marker) == FetchResult()
    assert told == []


@pytest.mark.parametrize(("now", "is_there"), [(NOON + DAY - 1, True), (NOON + DAY, False)])
def test_the_shortcut_ends_a_session_at_its_absolute_limit_too(told: Told, now: int, is_there: bool) -> None:
    found = fetched_at_once(stored("ours"), told.settings(absolute_timeout=DAY), now=now)

    assert (found is not None) is is_there


def test_one_cookie_is_no_copy_though_there_is_an_old_place(told: Told) -> None:
    steps = fetch(["ours"], told.settings(old_cookies=(CookieAttributes("_shop", path="/shop"),)), now=NOON)
    next(steps)

    assert end(steps, stored("ours")) == FetchResult(stored("ours"), copies=False)


def test_old_names_are_read_until_read_old_until(told: Told) -> None:
    settings = told.settings(old_cookies=(CookieAttributes("_old"),), read_old_until=NOON)
    cookies = [OldCookie("_old", "ours")]

    steps = fetch(cookies, settings, now=NOON - 1)
    assert next(steps) == Get("ours", "_old")
    told.clear()
    assert end(fetch(cookies, settings, now=NOON)) == FetchResult()
    assert told == []


@pytest.mark.parametrize(
    ("now", "event"),
    [
        (NOON + 7 * DAY - 1, []),
        (NOON + 7 * DAY, [("expired", "expired", "")]),
    ],
)
def test_a_session_ends_at_its_idle_timeout(told: Told, now: datetime, event: list[Any]) -> None:
    steps = fetch(["ours"], told.settings(), now=now)
    next(steps)

    assert (end(steps, stored("ours")) == FetchResult()) is bool(event)
    assert told == event


def test_a_session_ends_at_a_shortened_absolute_timeout(told: Told) -> None:
    steps = fetch(["ours"], told.settings(absolute_timeout=DAY), now=NOON + DAY)
    next(steps)

    assert end(steps, stored("ours")) == FetchResult()
    assert told == [("expired", "expired", "")]


def test_a_cookie_renewed_by_another_request_is_late(told: Told) -> None:
    steps = fetch(["ours"], told.settings(), now=NOON)
    next(steps)

    fetched = end(steps, NotFound("renewed", superseded=True))
    assert (fetched.stored, fetched.superseded) == (None, True)
    assert fetched.renewed is not None
    assert (fetched.renewed.cookie, fetched.renewed.data) == ("ours", {})


def test_a_late_cookie_next_to_a_session_is_ignored(told: Told) -> None:
    steps = fetch(["late", "ours"], told.settings(), now=NOON)
    next(steps)
    steps.send(NotFound("renewed", superseded=True))

    assert end(steps, stored("ours")) == FetchResult(stored("ours"))


def test_a_cookie_opens_under_the_old_name_that_it_came_under(told: Told) -> None:
    steps = fetch(["tossed", OldCookie("_old", "ours")], told.settings(), now=NOON)

    assert next(steps) == Get("tossed", "_shop")
    assert steps.send(NotFound("unreadable")) == Get("ours", "_old")
    assert end(steps, stored("ours")) == FetchResult(stored("ours"), old_key="_old")
    assert told == [("old_cookie", "_old", stored("ours").log_id)]


@pytest.mark.parametrize("answer", [stored("ours"), NotFound("renewed", superseded=True)])
def test_no_old_cookie_is_read_next_to_a_present_or_just_renewed_session(told: Told, answer: Any) -> None:
    steps = fetch(["ours", OldCookie("_old", "left behind")], told.settings(), now=NOON)
    next(steps)

    fetched = end(steps, answer)
    assert fetched.old_key is None
    assert (fetched.stored or fetched.renewed).cookie == "ours"  # type: ignore[union-attr]


# Writing.


def test_an_unused_session_takes_no_step(told: Told) -> None:
    session = use(told.settings(), stored(cart=1))

    answer = end(commit(session, told.settings(), now=NOON))

    assert (answer.cookies, answer.vary, answer.no_store) == ((), "", False)


def test_a_session_that_was_only_read_takes_no_step_and_varies_by_cookie(told: Told) -> None:
    session = use(told.settings(), stored(cart=[1]))
    assert session["cart"] == [1]

    answer = end(commit(session, told.settings(), now=NOON))

    assert (answer.cookies, answer.vary, answer.no_store, answer.cookie) == ((), "Cookie", False, "old")


def test_a_new_session_is_put_and_its_cookie_is_sent(told: Told) -> None:
    session = use(told.settings())
    session["cart"] = 1

    steps = commit(session, told.settings(), now=NOON)
    step = next(steps)
    put(None, step, {"cart": 1}, put={"cart": 1})
    answer = end(steps, stored("new", cart=1))

    assert (step.draft.created, step.draft.expires) == (NOON, NOON + 7 * DAY)
    assert [str(cookie) for cookie in answer.cookies] == ["_shop=new; path=/; HttpOnly; SameSite=Lax"]
    assert (answer.vary, answer.no_store, answer.cookie) == ("Cookie", True, "new")
    assert told == [("created", "", "log id of new")]
    assert not session.is_new


def test_an_empty_new_session_is_not_put(told: Told) -> None:
    session = use(told.settings())
    session["cart"] = 1
    session.clear()

    assert end(commit(session, told.settings(), now=NOON)).cookies == ()


def test_a_write_over_a_row_sends_no_cookie(told: Told) -> None:
    found = stored(cart=1)
    session = use(told.settings(), found)
    session["cart"] = 2

    steps = commit(session, told.settings(), now=NOON)
    put(found, next(steps), {"cart": 2}, put={"cart": 2})
    answer = end(steps, found.changed(version=2))

    assert (answer.cookies, answer.cookie) == ((), "old")
    assert told == []


def test_a_written_session_in_a_cookie_is_sent(told: Told) -> None:
    session = use(told.settings(), stored(version=None, cart=1))
    session.clear()

    steps = commit(session, told.settings(), now=NOON)
    put(state_of(session).fetched.stored, next(steps), {}, cleared=True)
    answer = end(steps, stored("sealed again", version=None))

    assert [cookie.value for cookie in answer.cookies] == ["sealed again"]


def test_cve_2023_20862_clearing_the_last_key_is_saved(told: Told) -> None:
    session = use(told.settings(), stored(cart=1))
    del session["cart"]

    step = next(commit(session, told.settings(), now=NOON))
    put(state_of(session).stored, step, {}, deleted=frozenset({"cart"}))


def test_other_libraries_modified_flag_writes_an_unread_session(told: Told) -> None:
    session = use(told.settings(), stored(cart=1))
    session.modified = True

    assert state_of(session).data
    step = next(commit(session, told.settings(), now=NOON))
    put(state_of(session).stored, step, {"cart": 1})


def test_a_session_that_the_store_wants_rewritten_is_rewritten(told: Told) -> None:
    session = use(told.settings(), stored(rewrite=True, cart=1))
    session.get("cart")

    put(state_of(session).fetched.stored, next(commit(session, told.settings(), now=NOON)), {"cart": 1})


def test_a_write_to_an_ended_session_is_dropped_and_reported(told: Told) -> None:
    session = use(told.settings(), stored(cart=1))
    session["cart"] = 2
    steps = commit(session, told.settings(), now=NOON)
    next(steps)

    answer = end(steps, None)

    assert (answer.cookies, answer.cookie, answer.vary) == ((), None, "Cookie")
    assert told == [("lost_write", "ended", "log id of old")]


def test_a_lost_write_is_raised_if_so_configured(told: Told) -> None:
    policy = told.settings(raise_on_lost_write=True)
    session = use(policy, stored(cart=1))
    session["cart"] = 2
    steps = commit(session, policy, now=NOON)
    next(steps)

    with pytest.raises(LostWriteError):
        steps.send(None)


def test_a_touch_of_an_ended_session_is_not_a_lost_write(told: Told) -> None:
    session = use(told.settings(raise_on_lost_write=True), stored(cart=1))
    session.get("cart")
    steps = commit(session, told.settings(), now=NOON + DAY)
    next(steps)

    assert end(steps, None).cookies == ()
    assert told == []


# Touching.


def test_after_a_tenth_of_the_idle_timeout_the_limit_is_moved(told: Told) -> None:
    policy = told.settings(idle_timeout=10 * DAY)
    found = stored(cart=1).changed(expires=NOON + 10 * DAY)

    early, due = use(policy, found), use(policy, found)
    assert len(early) == len(due) == 1
    end(commit(early, policy, now=NOON + DAY - 1))
    step = next(commit(due, policy, now=NOON + DAY))

    put(found, step, {"cart": 1})
    assert step.draft.expires == NOON + 11 * DAY


def test_touching_never_goes_past_the_absolute_limit(told: Told) -> None:
    policy = told.settings(absolute_timeout=9 * DAY)
    session = use(policy, stored(cart=1))
    session.get("cart")

    step = next(commit(session, policy, now=NOON + 6 * DAY))

    assert (step.draft.created, step.draft.expires) == (NOON, NOON + 9 * DAY)


def test_at_the_absolute_limit_nothing_is_touched(told: Told) -> None:
    policy = told.settings(absolute_timeout=7 * DAY)
    session = use(policy, stored(cart=1))
    session.get("cart")

    end(commit(session, policy, now=NOON + 6 * DAY))


def test_without_limits_nothing_is_touched(told: Told) -> None:
    policy = told.settings(idle_timeout=None, absolute_timeout=None)
    session = use(policy, stored(cart=1))
    session.get("cart")

    end(commit(session, policy, now=NOON + 1000 * DAY))


def test_a_session_that_could_not_be_stored_in_the_new_way_is_an_error(told: Told) -> None:
    session = use(told.settings(), stored(rewrite=True, cart=1))
    session.get("cart")
    steps = commit(session, told.settings(), now=NOON)
    next(steps)

    with pytest.raises(StoreError):
        steps.throw(StoreError("away"))


@pytest.mark.parametrize(("version", "excess", "written"), [(None, 60, False), (None, 61, True), (1, DAY, False)])
def test_only_a_cookie_that_would_live_too_long_is_written_again(
    told: Told, version: int | None, excess: int, written: bool
) -> None:
    # The timeout has been shortened since. A row that is only read never ends sooner than it says.
    policy = told.settings(idle_timeout=DAY)
    session = use(policy, stored(version=version, cart=1).changed(expires=NOON + DAY + excess))
    session.get("cart")

    assert bool(list(commit(session, policy, now=NOON))) is written


@pytest.mark.parametrize(("max_age", "sent"), [(None, []), (3600, ["old"])])
def test_a_touched_row_sends_its_cookie_only_if_the_browser_counts_too(
    told: Told, max_age: int | None, sent: list[str]
) -> None:
    policy = told.settings(cookie={"max_age": max_age})
    session = use(policy, stored(cart=1))
    session.get("cart")
    steps = commit(session, policy, now=NOON + DAY)
    step = next(steps)

    answer = end(steps, stored(cart=1).changed(expires=step.draft.expires))

    assert [cookie.value for cookie in answer.cookies] == sent


class Permanent(Session):
    """A framework's session that lives longer if its data says so."""

    __slots__ = ()

    @staticmethod
    def _lifetime_of(data: Any, usual: Lifetime) -> Lifetime:
        return Lifetime(31 * DAY, 31 * DAY) if data.get("permanent") else usual


def test_a_session_that_changes_its_own_lifetime_is_stored_and_sent_with_it(told: Told) -> None:
    policy = told.settings(absolute_timeout=None)
    session = use(policy, stored(cart=1), kind=Permanent)
    session["permanent"] = True

    steps = commit(session, policy, now=NOON)
    step = next(steps)
    answer = end(steps, stored(version=2))

    assert step.draft.expires == NOON + 31 * DAY
    assert [cookie.max_age for cookie in answer.cookies] == [31 * 86400]


def test_a_lifetime_may_be_a_fixed_time(told: Told) -> None:
    class UntilTomorrow(Session):
        __slots__ = ()

        @staticmethod
        def _lifetime_of(data: Any, usual: Lifetime) -> Lifetime:
            return usual._replace(ends=NOON + DAY)

    policy = told.settings()
    session = use(policy, kind=UntilTomorrow)
    session["cart"] = 1

    steps = commit(session, policy, now=NOON)
    step = next(steps)
    answer = end(steps, stored("new"))

    assert step.draft.expires == NOON + DAY
    assert [cookie.max_age for cookie in answer.cookies] == [86400]


# Renewing.


def test_renew_deletes_the_old_id_before_it_puts_a_new_one(told: Told) -> None:
    found = stored(cart=1, coupon="X")
    session = use(told.settings(), found)
    session["cart"] = 2
    del session["coupon"]
    session.configure(renew=True)

    steps = commit(session, told.settings(), now=NOON + DAY)
    assert next(steps) == Delete(found, "_shop", NOON + DAY + MINUTE)
    # Another request has written in between, and the deletion returns the latest state.
    step = steps.send(stored(cart=1, coupon="X", lang="en"))
    put(None, step, {"cart": 2, "lang": "en"}, put={"cart": 2}, deleted=frozenset({"coupon"}))
    answer = end(steps, stored("new"))

    assert (step.draft.created, step.draft.expires) == (NOON, NOON + 8 * DAY)
    assert [cookie.value for cookie in answer.cookies] == ["new"]
    assert told == [("renewed", "", "log id of new")]


def test_renewing_never_extends_the_absolute_limit(told: Told) -> None:
    policy = told.settings(absolute_timeout=8 * DAY)
    session = use(policy, stored(cart=1))
    session.configure(renew=True)
    steps = commit(session, policy, now=NOON + 6 * DAY)
    next(steps)

    step = steps.send(stored(cart=1))

    assert (step.draft.created, step.draft.expires) == (NOON, NOON + 8 * DAY)


def test_renewing_an_ended_session_brings_nothing_back(told: Told) -> None:
    session = use(told.settings(), stored(cart=1))
    session.configure(renew=True)
    steps = commit(session, told.settings(), now=NOON)
    next(steps)

    assert end(steps, None).cookies == ()
    assert told == [("lost_write", "ended", "log id of old")]


def test_renewing_an_empty_anonymous_session_creates_nothing(told: Told) -> None:
    session = use(told.settings())
    session.configure(renew=True)

    assert end(commit(session, told.settings(), now=NOON)).cookies == ()
    assert told == []


def test_renewing_without_a_session_begins_one_with_the_new_data(told: Told) -> None:
    session = use(told.settings())
    session["cart"] = 1
    session.configure(renew=True)

    steps = commit(session, told.settings(), now=NOON)
    put(None, next(steps), {"cart": 1}, put={"cart": 1})

    assert end(steps, stored("new")).cookie == "new"
    assert told == [("created", "", "log id of new")]


@pytest.mark.parametrize(
    ("before", "after"), [({}, {"user_id": 7}), ({"user_id": 7}, {"user_id": 8}), ({"user_id": 7}, {})]
)
def test_cve_2022_25896_another_principal_gets_another_id_however_the_login_was_made(
    told: Told, before: dict[str, Any], after: dict[str, Any]
) -> None:
    session = use(told.settings(), stored(**before))
    session.clear()
    session.update(after)

    steps = commit(session, told.settings(), now=NOON)

    assert isinstance(next(steps), Delete)
    step = steps.send(stored(**before))
    assert step.draft.principal == (str(after["user_id"]) if after else None)


def test_a_principal_mutated_in_place_is_another(told: Told) -> None:
    session = use(told.settings(), stored(user_id={"id": 7}))
    session["user_id"]["id"] = 8

    assert isinstance(next(commit(session, told.settings(), now=NOON)), Delete)


def test_the_same_principal_keeps_the_id(told: Told) -> None:
    session = use(told.settings(), stored(user_id=7))
    session["user_id"] = 7

    assert isinstance(next(commit(session, told.settings(), now=NOON)), Put)


def test_login_of_the_same_principal_still_renews(told: Told) -> None:
    session = use(told.settings(), stored(user_id=7))
    session.login(7)

    assert isinstance(next(commit(session, told.settings(), now=NOON)), Delete)


def test_a_value_that_cannot_be_stored_is_refused_before_the_old_id_is_deleted(told: Told) -> None:
    policy = told.settings()
    session = use(policy, stored(list=[]))
    session["list"].append("bad")
    session.configure(renew=True)

    with pytest.raises(TypeError, match="list"):
        next(commit(session, policy, now=NOON))


# Ending.


def test_drop_deletes_the_session_and_expires_its_cookie(told: Told) -> None:
    found = stored(cart=1)
    session = use(told.settings(), found)
    session["cart"] = 2
    session.configure(drop=True)

    steps = commit(session, told.settings(), now=NOON)
    assert next(steps) == Delete(found, "_shop")
    answer = end(steps, found)

    assert [(cookie.value, cookie.max_age) for cookie in answer.cookies] == [(None, 0)]
    assert told == [("ended", "", "log id of old")]


def test_drop_without_a_session_does_nothing(told: Told) -> None:
    session = use(told.settings())
    session["cart"] = 1
    session.configure(drop=True)

    assert end(commit(session, told.settings(), now=NOON)).cookies == ()
    assert told == []


def test_drop_of_an_ended_session_does_not_remove_a_new_logins_cookie(told: Told) -> None:
    session = use(told.settings(), stored(cart=1))
    session.configure(drop=True)
    steps = commit(session, told.settings(), now=NOON)
    next(steps)

    assert end(steps, None).cookies == ()
    assert told == []


def test_drop_of_what_has_ended_still_removes_outdated_cookies(told: Told) -> None:
    found = FetchResultOfSeveral(FetchResult(stored(cart=1)), None, (".a",))
    session = Session(SessionState(Played(told.settings(), found), (), https=False))
    session.configure(drop=True)
    steps = commit(session, told.settings(), now=NOON)
    next(steps)

    answer = end(steps, None)

    assert [(cookie.attributes.key, cookie.value) for cookie in answer.cookies] == [("_shop.a", None)]
    assert answer.vary == "Cookie"


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ({"secure": True}, [("_shop", "/", None)]),
        ({"path": "/admin"}, [("_shop", "/", None), ("_shop", "/admin", None)]),
        ({"key": "_old"}, [("_shop", "/", None), ("_old", "/", None)]),
    ],
)
def test_drop_expires_the_cookie_once_in_each_place(told: Told, options: dict[str, Any], places: list[Any]) -> None:
    session = use(told.settings(), stored(cart=1))
    session.configure(drop=True, **options)
    steps = commit(session, told.settings(), now=NOON)
    next(steps)

    assert [cookie.attributes.place for cookie in end(steps, stored(cart=1)).cookies] == places


def test_logout_ends_the_session(told: Told) -> None:
    session = use(told.settings(), stored(user_id=7))
    session.logout()

    steps = commit(session, told.settings(), now=NOON)
    assert next(steps) == Delete(state_of(session).fetched.stored, "_shop")

    assert [cookie.value for cookie in end(steps, stored()).cookies] == [None]


def test_a_write_after_logout_begins_a_session_with_a_new_age(told: Told) -> None:
    session = use(told.settings(), stored(user_id=7, cart=1))
    session.logout()
    session["notice"] = "Goodbye"

    steps = commit(session, told.settings(), now=NOON + DAY)
    assert isinstance(next(steps), Delete)
    step = steps.send(stored(user_id=7, cart=1))

    put(None, step, {"notice": "Goodbye"}, put={"notice": "Goodbye"}, cleared=True)
    assert step.draft.created == NOON + DAY
    end(steps, stored("new"))
    assert told == [("ended", "", "log id of old"), ("created", "", "log id of new")]


def test_what_is_put_after_logout_begins_a_session_though_there_was_none(told: Told) -> None:
    session = use(told.settings())
    session.logout()
    session["notice"] = "Goodbye"

    step = next(commit(session, told.settings(), now=NOON))

    put(None, step, {"notice": "Goodbye"}, put={"notice": "Goodbye"}, cleared=True)


def test_a_logout_that_clears_site_data_tells_which_session_begins(told: Told) -> None:
    session = use(told.settings(), stored(user_id=7))
    session.logout(clear_site_data=["cache"])
    session["notice"] = "Goodbye"
    steps = commit(session, told.settings(), now=NOON)
    next(steps)
    steps.send(stored(user_id=7))

    answer = end(steps, stored("new"))

    assert (answer.cookie, answer.extra) == ("new", (("Clear-Site-Data", '"cache"'),))


@pytest.mark.parametrize(
    ("fetched", "is_enough"),
    [
        (FetchResult(stored(cart=1)), True),
        (FetchResult(stored(cart=1), moved=True), False),
        (FetchResultOfSeveral(FetchResult(stored(cart=1)), None, (".a",)), False),
    ],
)
def test_a_session_that_was_only_read_is_left_alone_unless_its_cookies_must_change(
    told: Told, fetched: FetchResult, is_enough: bool
) -> None:
    session = Session(SessionState(Played(told.settings(), fetched), (), https=False))
    session.get("cart")

    assert (lifecycle.commit_unchanged(state_of(session), now=NOON) is not None) is is_enough


def test_ignore_discards_the_changes(told: Told) -> None:
    session = use(told.settings(), stored(cart=1))
    session["cart"] = 2
    session.configure(ignore=True)

    answer = end(commit(session, told.settings(), now=NOON))

    assert (answer.cookies, answer.cookie, session["cart"]) == ((), "old", 2)


# Failing.


@pytest.mark.parametrize(
    ("save_on_error", "status", "saved"), [(False, 500, False), (True, 503, True), (False, 499, True)]
)
def test_a_failed_request_saves_no_plain_write_unless_configured(
    told: Told, save_on_error: bool, status: int, saved: bool
) -> None:
    policy = told.settings(save_on_error=save_on_error)
    session = use(policy, stored(cart=1))
    session["cart"] = 2

    assert bool(list(commit(session, policy, now=NOON, status=status))) is saved


@pytest.mark.parametrize("ending", [{"drop": True}, {"renew": True}])
def test_a_failed_request_still_carries_out_a_drop_or_a_renewal(told: Told, ending: dict[str, bool]) -> None:
    session = use(told.settings(), stored(cart=1))
    session.configure(**ending)

    assert isinstance(next(commit(session, told.settings(), now=NOON, status=500)), Delete)


# Late requests.


@pytest.mark.parametrize(
    "act",
    [
        lambda session: session.put("cart", 1),
        lambda session: session.configure(renew=True),
        lambda session: session.configure(drop=True),
        lambda session: session.logout(),
    ],
)
def test_a_late_request_writes_nothing_and_sends_no_cookie(told: Told, act: Any) -> None:
    session = use(told.settings(), late=True)
    act(session)

    assert end(commit(session, told.settings(), now=NOON)).cookies == ()


def test_a_late_requests_write_is_a_lost_write(told: Told) -> None:
    session = use(told.settings(), late=True)
    session["cart"] = 1

    end(commit(session, told.settings(), now=NOON))

    assert told == [("lost_write", "renewed", "")]


@pytest.mark.parametrize(("options", "status"), [({"ignore": True}, 200), ({}, 500)])
def test_a_write_that_would_not_be_saved_anyway_is_not_a_lost_write(
    told: Told, options: dict[str, bool], status: int
) -> None:
    session = use(told.settings(raise_on_lost_write=True), late=True)
    session["cart"] = 1
    session.configure(**options)

    end(commit(session, told.settings(raise_on_lost_write=True), now=NOON, status=status))

    assert told == []


def test_a_login_in_a_late_request_begins_a_session(told: Told) -> None:
    session = use(told.settings(), late=True)
    session.login(7)

    put(None, next(commit(session, told.settings(), now=NOON)), {"user_id": 7}, put={"user_id": 7})


@pytest.mark.parametrize("options", [{"drop": True}, {"renew": True}, {}])
def test_after_its_end_a_session_takes_no_more_changes(told: Told, options: dict[str, bool]) -> None:
    session = use(told.settings(), stored(cart=1))
    session["cart"] = 2
    session.configure(**options)
    steps = commit(session, told.settings(), now=NOON)
    next(steps)
    end(steps, None)

    with pytest.raises(ResponseStartedError):
        session["cart"] = 3
    assert session["cart"] == 2
    assert session.is_new


def test_after_a_lost_write_the_request_counts_as_late(told: Told) -> None:
    session = use(told.settings(), stored(cart=1))
    session["cart"] = 2
    steps = commit(session, told.settings(), now=NOON)
    next(steps)
    end(steps, None)

    assert state_of(session).fetched == FetchResult(None, superseded=True)


# The cookie of one response.


@pytest.mark.parametrize("options", [{"key": "_new"}, {"path": "/admin"}, {"domain": "example.org"}])
def test_a_cookie_that_moves_leaves_none_behind(told: Told, options: dict[str, Any]) -> None:
    session = use(told.settings(), stored(cart=1))
    session["cart"] = 2
    session.configure(**options)

    steps = commit(session, told.settings(), now=NOON)
    assert next(steps).key == options.get("key", "_shop")
    expired, moved = end(steps, stored(version=2)).cookies

    assert (expired.value, expired.attributes.place) == (None, ("_shop", "/", None))
    assert (moved.value, moved.attributes) == ("old", CookieAttributes(**{"key": "_shop", **options}))


@pytest.mark.parametrize("act", [lambda session: session.configure(renew=True), lambda session: session.logout()])
def test_a_cookie_that_moves_under_another_id_leaves_none_behind(told: Told, act: Any) -> None:
    session = use(told.settings(), stored(cart=1))
    act(session)
    session["cart"] = 2
    session.configure(path="/admin")
    steps = commit(session, told.settings(), now=NOON)
    next(steps)
    steps.send(stored(cart=1))

    expired, moved = end(steps, stored("new")).cookies

    assert (expired.value, expired.attributes.place) == (None, ("_shop", "/", None))
    assert (moved.value, moved.attributes.place) == ("new", ("_shop", "/admin", None))


def test_a_store_without_generations_has_one_cookie_in_an_old_place(told: Told) -> None:
    policy = told.settings(old_cookies=(CookieAttributes("_shop", path="/shop"),))
    session = use(policy)
    session["cart"] = 1
    steps = commit(session, policy, now=NOON)
    next(steps)

    places = [cookie.attributes.place for cookie in end(steps, stored("new")).cookies]

    assert places == [("_shop", "/shop", None), ("_shop", "/", None)]


@pytest.mark.parametrize(
    ("sent", "last", "names"),
    [
        (("old",), None, [""]),
        ((OldCookie("_shop", "old"),), None, [""]),
        ((OldCookie("_old", "old"),), None, []),
        ((), SealedSession("old", Record({}, NOON, NOON, "1" * 16, 2)), [".b"]),
    ],
)
def test_other_names_are_those_that_the_browser_sent_or_the_session_came_under(
    told: Told, sent: tuple[Any, ...], last: StoredSession | None, names: list[str]
) -> None:
    state = SessionState(Played(told.settings(), FetchResult(last)), sent, https=False)

    assert other_names(state, last, ".a") == names


@pytest.mark.parametrize(
    ("copies", "sent"), [(False, []), (True, [("_shop", "/", "example.org"), ("_shop", "/", None)])]
)
def test_a_write_sends_the_cookie_again_only_if_the_browser_also_has_it_in_an_old_place(
    told: Told, copies: bool, sent: list[Any]
) -> None:
    policy = told.settings(old_cookies=(CookieAttributes("_shop", domain="example.org"),))
    session = Session(SessionState(Played(policy, FetchResult(stored(cart=1), copies=copies)), ("old",), https=False))
    session["cart"] = 2
    steps = commit(session, policy, now=NOON)
    next(steps)

    assert [cookie.attributes.place for cookie in end(steps, stored(version=2)).cookies] == sent


def test_an_option_for_this_response_sends_the_cookie_of_a_write(told: Told) -> None:
    session = use(told.settings(cookie={"domain": "example.org"}), stored(cart=1))
    session["cart"] = 2
    session.configure(max_age=60, same_site="Strict")
    steps = commit(session, told.settings(cookie={"domain": "example.org"}), now=NOON)
    next(steps)

    (cookie,) = end(steps, stored(version=2)).cookies

    assert str(cookie) == (
        "_shop=old; path=/; domain=example.org; expires=Sun, 01 Mar 2026 12:01:00 GMT; Max-Age=60"
        "; HttpOnly; SameSite=Strict"
    )


def test_an_option_alone_sends_nothing(told: Told) -> None:
    session = use(told.settings(), stored(cart=1))
    session.configure(path="/admin")

    assert end(commit(session, told.settings(), now=NOON)).cookies == ()


def test_a_new_lifetime_cannot_be_saved_before_the_headers_because_it_sends_a_cookie(told: Told) -> None:
    session = use(told.settings(), stored(cart=1))
    state_of(session).lifetime_of = lambda data, usual: usual._replace(idle=60) if "short" in data else usual

    session["cart"] = 2
    assert can_save(state_of(session))
    session["short"] = True
    assert not can_save(state_of(session))


def test_an_oversized_cookie_is_refused_when_its_size_is_known(told: Told) -> None:
    session = use(told.settings())
    session["cart"] = 1
    steps = commit(session, told.settings(), now=NOON)
    next(steps)

    with pytest.raises(CookieOverflowError):
        steps.send(stored("x" * 5000))

    assert told == [("cookie_too_large", f"{5000 + len('_shop=; path=/; HttpOnly; SameSite=Lax')} bytes", "")]


# After the headers.


def sent(told: Told, found: StoredSession, **settings: Any) -> Session:
    """Return a session whose response's headers were sent without a change to it."""
    policy = told.settings(**settings)
    session = use(policy, found)
    len(session)
    end(commit(session, policy, now=NOON))
    return session


def test_a_change_during_the_body_is_put_into_the_row(told: Told) -> None:
    found = stored(cart=[1])
    session = sent(told, found)
    session["cart"].append(2)

    steps = finish(session, told.settings(), now=NOON + DAY)
    step = next(steps)
    put(found, step, {"cart": [1, 2]}, put={"cart": [1, 2]})
    end(steps, found.changed(version=2))

    assert step.draft.expires == NOON + 8 * DAY
    assert told == []
    assert list(finish(session, told.settings(), now=NOON + DAY)) == []


def test_a_session_marked_before_it_is_read_is_read_and_written(told: Told) -> None:
    found = stored(cart=1)
    session = use(told.settings(), found)
    session.modified = True

    put(found, next(commit(session, told.settings(), now=NOON)), {"cart": 1})


def test_a_change_stored_with_the_headers_is_not_stored_again(told: Told) -> None:
    session = use(told.settings(), stored(cart=1))
    session.clear()
    session.modified = True
    steps = commit(session, told.settings(), now=NOON)
    next(steps)
    end(steps, stored(version=2))

    assert list(finish(session, told.settings(), now=NOON)) == []
    assert not session.modified


def test_a_body_that_outlasts_the_idle_limit_does_not_end_the_session(told: Told) -> None:
    session = sent(told, stored())
    session["done"] = True

    step = next(finish(session, told.settings(), now=NOON + 10 * DAY))

    assert step.draft.expires == NOON + 17 * DAY


def test_what_the_body_wrote_is_known_afterwards(told: Told) -> None:
    session = sent(told, stored(cart=1))
    session["cart"] = 2
    steps = finish(session, told.settings(), now=NOON)
    next(steps)
    written = stored(version=2, cart=2)

    end(steps, written)

    assert state_of(session).fetched == FetchResult(written)
    assert session.log_id == "log id of old"


def test_a_row_can_be_dropped_during_the_body(told: Told) -> None:
    found = stored(cart=1)
    session = sent(told, found)
    session.configure(drop=True)

    steps = finish(session, told.settings(), now=NOON)
    assert next(steps) == Delete(found, "_shop")
    end(steps, found)

    assert told == [("ended", "", "log id of old")]


def test_a_late_change_to_an_ended_row_is_a_lost_write(told: Told) -> None:
    session = sent(told, stored(cart=1))
    session["cart"] = 2
    steps = finish(session, told.settings(), now=NOON)
    next(steps)

    end(steps, None)

    assert told == [("lost_write", "ended", "log id of old")]


@pytest.mark.parametrize("found", [stored(version=None, cart=[]), stored(cart=[]), None])
def test_a_late_mutation_that_cannot_be_saved_is_reported_once(told: Told, found: StoredSession | None) -> None:
    session = use(told.settings(), found)
    cart = session.setdefault("cart", [])
    if found is None or found.version is not None:
        session.configure(ignore=True)
    assert list(commit(session, told.settings(), now=NOON)) == []
    told.clear()

    cart.append(1)
    end(finish(session, told.settings(), now=NOON))
    end(finish(session, told.settings(), now=NOON))

    assert told == [("lost_write", "response started", "log id of old" if found else "")]


def test_finish_does_nothing_without_a_change_or_before_the_headers(told: Told) -> None:
    end(finish(sent(told, stored(cart=1)), told.settings(), now=NOON))
    early = use(told.settings(), stored(cart=1))
    early["cart"] = 2
    end(finish(early, told.settings(), now=NOON))
    end(finish(use(told.settings(), stored()), told.settings(), now=NOON))

    assert told == []


def test_a_session_first_used_after_the_headers_can_change_its_row(told: Told) -> None:
    found = stored(cart=1)
    session = use(told.settings(), found)
    end(commit(session, told.settings(), now=NOON))
    session["cart"] = 2

    put(found, next(finish(session, told.settings(), now=NOON)), {"cart": 2}, put={"cart": 2})


def test_a_session_in_a_cookie_first_used_after_the_headers_is_closed(told: Told) -> None:
    session = use(told.settings(), stored(version=None))
    end(commit(session, told.settings(), now=NOON))

    assert len(session) == 0
    assert state_of(session).phase is Phase.DONE


# Abandoned.


@pytest.mark.parametrize(
    ("act", "steps"),
    [
        (lambda session: session.configure(drop=True), [Delete]),
        (lambda session: session.logout(), [Delete]),
        (lambda session: session.delete("user_id"), [Delete]),
        (lambda session: session.put("user_id", 8), []),
        (lambda session: session.configure(renew=True), []),
        (lambda session: session.put("cart", 2), []),
        (lambda session: (session.delete("user_id"), session.configure(ignore=True)), []),
        (lambda session: session.get("cart"), []),
        (lambda session: None, []),
    ],
)
def test_a_request_that_failed_outside_the_adapter_still_ends_a_dropped_session(
    told: Told, act: Any, steps: list[type]
) -> None:
    session = use(told.settings(), stored(user_id=7, cart=1))
    act(session)

    assert [type(step) for step in abandon(session, told.settings(), now=NOON)] == steps


def test_without_a_failure_an_abandoned_request_saves_changes_to_a_row(told: Told) -> None:
    found = stored(cart=1)
    session = use(told.settings(), found)
    session["cart"] = 2

    put(found, next(abandon(session, told.settings(), now=NOON, status=403)), {"cart": 2}, put={"cart": 2})


def test_a_session_that_a_refused_request_only_read_is_left_alone(told: Told) -> None:
    session = use(told.settings(), stored(cart=1))
    session.get("cart")

    assert list(abandon(session, told.settings(), now=NOON, status=403)) == []
    assert told == []


def test_a_session_that_cannot_be_created_is_no_lost_write_if_nothing_was_changed(told: Told) -> None:
    session = use(told.settings())
    state_of(session).must_create = True
    session.get("cart")

    assert list(abandon(session, told.settings(), now=NOON, status=403)) == []
    assert told == []


def test_a_login_whose_cookie_cannot_be_sent_is_not_carried_out(told: Told) -> None:
    session = use(told.settings(), stored(cart=1))
    session.login(7)

    assert list(abandon(session, told.settings(), now=NOON, status=403)) == []


def test_a_failed_requests_write_is_not_saved_later(told: Told) -> None:
    session = use(told.settings(), stored(cart=1))
    session["cart"] = 2
    assert list(abandon(session, told.settings(), now=NOON)) == []

    assert list(finish(session, told.settings(), now=NOON)) == []
    with pytest.raises(ResponseStartedError):
        session["cart"] = 3


def test_an_abandoned_request_that_used_no_session_reads_none(told: Told) -> None:
    session = use(told.settings(), stored(cart=1))

    assert list(abandon(session, told.settings(), now=NOON)) == []
    assert state_of(session).tracked is None


def test_a_request_already_ended_is_not_abandoned_as_well(told: Told) -> None:
    session = use(told.settings(), stored(version=None, cart=[]))
    assert session["cart"] == []
    state_of(session).mark_saved(state_of(session).fetched.stored, Phase.DONE)

    assert list(abandon(session, told.settings(), now=NOON)) == []


# Values.


def test_changes_are_true_if_there_are_any() -> None:
    assert not Changes({})
    assert Changes({"a": None})
    assert Changes({}, frozenset({"a"}))
    assert Changes({}, cleared=True)
    assert Changes({"a": 1}, frozenset({"b"})).over({"b": 2, "c": 3}) == {"a": 1, "c": 3}
    assert Changes({"a": 1}, cleared=True).over({"b": 2}) == {"a": 1}


@pytest.mark.parametrize(
    "value",
    [
        Write({"secret": 1}, Changes({}), NOON, NOON, NOON),
        NotFound("unknown", stored=StoredSession("secret", {}, 0, 0)),
        FetchResult(stored("secret")),
        stored("secret"),
        Changes({"secret": 1}),
    ],
)
def test_the_values_between_the_rules_and_a_store_hide_their_contents(value: Any) -> None:
    assert repr(value) == str(value) == f"<{type(value).__name__}>"
