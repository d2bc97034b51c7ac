"""A real Erlang, which reads a term and writes it again, where one is on PATH."""

import shutil
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from servers.processes import NoProgramError

__all__ = ["running_erlang"]

_JUDGE = """
io:setopts([{binary, true}, {encoding, latin1}]),
Judge = fun Judge(eof) -> halt();
            Judge(Line) ->
                Term = binary_to_term(base64:decode(string:trim(Line))),
                Options = [deterministic || erlang:system_info(otp_release) >= "26"],
                io:put_chars([base64:encode(term_to_binary(Term, Options)), 10]),
                Judge(io:get_line(""))
        end,
Judge(io:get_line("")).
"""


@contextmanager
def running_erlang() -> Iterator[Callable[[bytes], bytes]]:
    """Give a function from a term's bytes to those that Erlang writes for it."""
    erl = shutil.which("erl")
    if erl is None:
        msg = "erl is not there: put an Erlang on PATH, the judge of what it reads"
        raise NoProgramError(msg)
    with subprocess.Popen([erl, "-noshell", "-eval", _JUDGE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        asked, answers = process.stdin, process.stdout
        assert asked is not None
        assert answers is not None

        def again(external: bytes) -> bytes:
            asked.write(b64encode(external) + b"\n")
            asked.flush()
            return b64decode(answers.readline())

        yield again
        asked.close()
