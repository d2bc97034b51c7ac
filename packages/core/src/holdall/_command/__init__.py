"""
Run the command ``holdall``, for an operator at a terminal or a nightly job.

Each subcommand is a module with a function ``add``, which adds it to the parser and sets ``run``, a function that takes
the options and returns the exit code. To add a subcommand, write such a module and name it in ``_COMMANDS``. Results go
to standard output and everything else to standard error, both through ``_output``. The exit code is 0; 1 if something
failed or a cookie did not open; 2 if the command line was invalid.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from holdall._command import check, inspect, principal, secret, sweep
from holdall._command._output import complain, prepare, printable
from holdall._errors import SessionError

__all__ = ["main"]

_COMMANDS = (secret, check, inspect, sweep, principal)

# A shell's exit code for a program ended by Ctrl-C.
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit code."""
    prepare()
    parser = _parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        # argparse's own message would repeat them, and one of them may be a secret or a cookie.
        parser.error("unrecognized arguments: see --help, and write -- before a cookie that begins with a dash")
    # A driver's warnings would print a server's address. We report the problem as an error of our own.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        code: int = options.run(options)
        # Flush here, because a failure while the interpreter exits could not be handled.
        print(end="", flush=True)
    except SessionError as exc:
        complain(str(exc))
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    except OSError as exc:
        return _unwritten(exc)
    return code


class _Version(argparse.Action):
    """An action that prints the version, which is looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from holdall import __version__

        print(f"holdall {__version__}")
        parser.exit()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # The message may repeat an argument.
        super().error(printable(message))


def _parser() -> argparse.ArgumentParser:
    # Without abbreviations, because --secret would be one of --secret-env.
    parser = _Parser("holdall", description="Manage sessions.", allow_abbrev=False)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add(commands)
    return parser


def _unwritten(exc: OSError) -> int:
    """Report that the output could not be written, unless its reader has closed the pipe."""
    if not isinstance(exc, BrokenPipeError):
        complain(f"the output could not be written: {exc.strerror}.")
    # Discard the rest of the buffer.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
