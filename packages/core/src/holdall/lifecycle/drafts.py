"""What is to be stored of a session."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from holdall.ownership import principal_text
from holdall.policy import Policy
from holdall.stores import Changes, Draft

__all__ = ["draft_of", "principal_of"]


def draft_of(
    policy: Policy, data: dict[str, Any], changes: Changes, created: datetime, expires: datetime, now: datetime
) -> Draft:
    """Return *data* as it is to be stored, with *changes* as this request's part in it."""
    # Stores count whole seconds; all of them are told the same.
    return Draft(
        data,
        changes,
        created.replace(microsecond=0),
        expires.replace(microsecond=0),
        now.replace(microsecond=0),
        principal_of(data, policy),
    )


def principal_of(data: Mapping[str, Any], policy: Policy) -> str | None:
    """Return whose session *data* says it is, as text; ``None`` for nobody's."""
    return None if policy.principal_key is None else principal_text(data.get(policy.principal_key), policy)
