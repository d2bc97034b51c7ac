"""``session.atomic``: a block that has one key of a session to itself."""

from datetime import datetime, timedelta

from holdall.errors import ConfigurationError, ContentionError
from holdall.lifecycle.drafts import draft_of
from holdall.lifecycle.losing import refuse_if_lost
from holdall.lifecycle.store_steps import Get, Lease, Put, Release
from holdall.policy import Policy
from holdall.session import ENDS, Block, Intent, Session
from holdall.steps import Pause, Steps
from holdall.stores import Missing

__all__ = ["enter", "leave", "release"]

# Nobody has a key for longer, so that a request which dies in its block holds up others for no more than this.
_LEASE = timedelta(seconds=5)
# Who waits for a lease asks again after pauses that grow from the time that a fast table takes for a block.
_SHORTEST_PAUSE = 0.001
_LONGEST_PAUSE = 0.032

# What is put after one of these is not for the row that there is.
_LEAVES_THE_ROW = (*ENDS, Intent.IGNORE)


def enter(session: Session, policy: Policy, key: str, *, timeout: timedelta, now: datetime) -> Steps[Block]:
    """
    Begin a block that changes *key* as if no other request were there.

    One block at a time has the lease of a session's key, and finds there what was written last. That is all the lease
    is for: it may run out, so what the block has made of the key is written only if the key is as it was found.

    Args:
        timeout: How long to wait for a lease that another has.

    Raises:
        ContentionError: It was not to be had for so long.
    """
    session.check_block(key)
    stored = session.fetched.stored
    if stored is None or session.intent in _LEAVES_THE_ROW:
        # What will be a new session has nobody else.
        return session.begin_block(key)
    if stored.version is None:
        msg = "this session is in its cookie, where session.atomic cannot hold off others: it needs one in a table."
        raise ConfigurationError(msg)
    pause, left = _SHORTEST_PAUSE, timeout.total_seconds()
    while (lease := (yield Lease(stored, key, (now + _LEASE).replace(microsecond=0)))) is None:
        if left <= 0:
            msg = f"others kept session[{key!r}] to themselves for {timeout.total_seconds()} seconds: try again."
            raise ContentionError(msg)
        now = yield Pause(pause)
        left -= pause
        pause = min(2 * pause, _LONGEST_PAUSE)
    latest = yield Get(stored.cookie, session.fetched.old_key or policy.key)
    # If it has ended meanwhile, that is found when the block is saved, as with any other write.
    return session.begin_block(key, stored if isinstance(latest, Missing) else latest, lease=lease)


def leave(session: Session, policy: Policy, block: Block, *, now: datetime) -> Steps[None]:
    """
    Write what a block has made of its key, ahead of all else that this request has changed.

    Raises:
        ContentionError: The key is not as the block found it: the lease had run out, or who wrote needed none.
        LostWriteError: The session has ended meanwhile, and it is configured that this is an error.
    """
    stored, change = block.stored, session.changes().of(block.key)
    if stored is None or not change or session.intent in _LEAVES_THE_ROW:
        # What there is to save is saved with the response.
        block.saved = True
        return
    # The expiry is left to the end of the request: what moves it may have to send the cookie once more.
    draft = draft_of(policy, change.over(stored.data), change, stored.created, stored.expires, now)
    written = yield Put(stored, draft._replace(unchanged=frozenset((block.key,))), policy.key)
    if written is not None:
        session.save_block(block, written)
        return
    refuse_if_lost(policy)
    # The end of the request meets the same, and tells the log of all that it loses.
    block.saved = True


def release(block: Block) -> Steps[None]:
    """Give back the lease that a block has taken."""
    if block.stored is not None and block.lease is not None:
        yield Release(block.stored, block.key, block.lease)
