"""Print all of the command's output, because text from elsewhere can contain control sequences for the terminal."""

import io
import sys

__all__ = ["complain", "prepare", "printable", "say"]


def prepare() -> None:
    """Let standard output escape characters that its encoding lacks, as standard error does."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def printable(text: str) -> str:
    r"""
    Return *text* with unprintable characters as escapes (``\x1b``).

    These are control characters, line separators, bidirectional marks, which can change how a line reads, and
    code points that are not characters.
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def say(text: str) -> None:
    """Print the lines of *text* to standard output."""
    print("\n".join(map(printable, text.split("\n"))))


def complain(text: str) -> None:
    """Print *text* to standard error, as one line."""
    print(f"holdall: {printable(text)}", file=sys.stderr)
