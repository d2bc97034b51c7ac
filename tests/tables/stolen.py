"""Text that a stolen table must not contain."""

import base64
import hmac

from holdall import Sessions

__all__ = ["traces"]

_CARD = "4111111111111111"


def traces(sessions: Sessions) -> list[bytes]:
    """Begin a session, and return everything that would reveal it: its ID, values and names, and its row's key."""
    session = sessions.fetch()
    session["card"] = _CARD
    sid = sessions.commit(session).cookie
    assert sid
    raw = base64.urlsafe_b64decode(sid)
    key = hmac.digest(sessions.prepare("sync").store._sealer._key, sid.encode(), "sha256")
    secrets = [sid.encode(), raw, key, _CARD.encode(), b"card"]
    return [*secrets, *(each.hex().encode() for each in secrets), *(base64.b64encode(each) for each in (raw, key))]
