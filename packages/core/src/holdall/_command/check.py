"""``holdall check``: describe what an application's sessions guarantee."""

import argparse
import json
import os
import sys
from importlib import import_module
from inspect import isroutine, signature
from operator import attrgetter
from traceback import walk_tb
from types import CodeType
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
    sessions = _found(options.sessions)
    try:
        description = sessions.describe()
    except ModuleNotFoundError as exc:
        # The message names the missing driver, and how to install it.
        raise ConfigurationError(str(exc)) from exc
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
    if module.endswith(".py") or "/" in module:
        plain = module.removeprefix("./").removesuffix(".py").replace("/", ".")
        msg = f"{module} is a file, but the command takes a module: write {plain}:{name}."
        raise ConfigurationError(msg)
    # Python -m does the same.
    sys.path.insert(0, "")
    found = _loaded(module, name)
    if isinstance(found, Sessions):
        return found
    if _is_function(found):
        try:
            found = found()
        except SessionError:
            raise
        except Exception as exc:
            msg = f"{place} failed: {_shown(exc, module)}."
            raise ConfigurationError(msg) from exc
    if not isinstance(found, Sessions):
        what = "a function that needs arguments" if isroutine(found) else _article(type(found).__qualname__)
        msg = (
            f"{place} is {what}, not Sessions or a function that returns them: name the Sessions(…) that the "
            "application's adapter was given, or write a function that returns configured_sessions(…)."
        )
        raise ConfigurationError(msg)
    return found


def _loaded(module: str, name: str) -> Any:
    """Return the object called *name* in *module*."""
    try:
        loaded = import_module(module)
    except SessionError:
        raise
    except Exception as exc:
        msg = f"{module} could not be imported: {_shown(exc, module)}."
        raise ConfigurationError(msg) from exc
    try:
        return attrgetter(name)(loaded)
    except AttributeError:
        there = [each for each, value in vars(loaded).items() if isinstance(value, Sessions)]
        hint = f": did you mean {module}:{there[0]}?" if there else "."
        msg = f"{module} has no {name}{hint}"
        raise ConfigurationError(msg) from None


def _is_function(found: Any) -> bool:
    """Return whether *found* can be called without arguments, unlike an application."""
    try:
        signature(found).bind()
    except (TypeError, ValueError):
        return False
    return True


def _shown(exc: Exception, module: str) -> str:
    """Return the cause of a failure, without the exception's message, which may contain a secret."""
    match exc:
        case ModuleNotFoundError(name=str(name)):
            if name == module or module.startswith(f"{name}."):
                return f"there is no module {name} in the current directory or among the installed packages"
            return f"it needs the module {name}, which is not installed"
        case KeyError(args=(str(name),)) if _raised_in(exc) is type(os.environ).__getitem__.__code__:
            return f"it needs the environment variable {name}, which is not set"
    return type(exc).__name__


def _raised_in(exc: Exception) -> CodeType:
    """Return the code that raised *exc*."""
    return [frame.f_code for frame, _ in walk_tb(exc.__traceback__)][-1]


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"
