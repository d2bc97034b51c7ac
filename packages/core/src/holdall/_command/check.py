"""``holdall check``: describe what an application's sessions guarantee."""

import argparse
import json
import sys
from importlib import import_module
from operator import attrgetter
from typing import Any

from holdall._command._output import complain, say
from holdall._errors import ConfigurationError, SessionError
from holdall._sessions import Sessions

__all__ = ["add"]


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "check",
        help="describe what an application's sessions guarantee",
        description="Describe what an application's sessions guarantee, and which requirements of OWASP ASVS 5.0 and "
        "NIST SP 800-63B-4 they meet. The application's module is imported from the current directory; no session "
        "is read.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "sessions",
        metavar="MODULE:NAME",
        help="the Sessions object, or a function that returns one, such as shop.web:sessions; in Django, "
        "holdall_django:configured_sessions",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--require",
        action="append",
        default=[],
        metavar="LINE",
        help="fail unless this requirement is met, such as 'ASVS 7.3.1' or 'NIST 2.2.3'; may be repeated",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    description = _found(options.sessions).describe()
    say(json.dumps(description.as_dict(), indent=2) if options.json else str(description))
    missing = [line for line in options.require if line not in description.meets]
    for line in missing:
        advice = description.lacks.get(line, "it does not exist, or no configuration can meet it")
        complain(f"{line} is not met: {advice}.")
    return 1 if missing else 0


def _found(place: str) -> Sessions:
    module, _, name = place.partition(":")
    if not name:
        msg = f"{place!r} does not name sessions: write MODULE:NAME, such as shop.web:sessions."
        raise ConfigurationError(msg)
    # Python -m does the same.
    sys.path.insert(0, "")
    try:
        found = attrgetter(name)(import_module(module))
        sessions = found if isinstance(found, Sessions) or not callable(found) else found()
    except SessionError:
        raise
    except Exception as exc:
        # The exception's message may contain a secret.
        msg = f"{place} could not be imported: {type(exc).__name__}."
        raise ConfigurationError(msg) from exc
    if not isinstance(sessions, Sessions):
        msg = f"{place} is a {type(sessions).__qualname__}, not Sessions or a function that returns them."
        raise ConfigurationError(msg)
    return sessions
