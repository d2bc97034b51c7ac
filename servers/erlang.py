"""Run a real Erlang, if one is on PATH: it reads a term as Plug does, and writes it again."""

import shutil
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from servers.processes import NoProgramError

__all__ = ["running_erlang"]

# `Safe` is Plug.Crypto.non_executable_binary_to_term.
_JUDGE = """
io:setopts([{binary, true}, {encoding, latin1}]),
Safe = fun Safe([Head | Tail]) -> Safe(Head), Safe(Tail);
           Safe(Term) when is_tuple(Term) -> Safe(tuple_to_list(Term));
           Safe(Term) when is_map(Term) -> maps:foreach(fun(Key, Value) -> Safe(Key), Safe(Value) end, Term);
           Safe(Term) when is_atom(Term); is_number(Term); is_bitstring(Term) -> ok;
           Safe(Term) when is_pid(Term); is_reference(Term); Term == [] -> ok
       end,
Again = fun(Line) ->
            Term = binary_to_term(base64:decode(string:trim(Line))),
            Safe(Term),
            term_to_binary(Term, [deterministic || erlang:system_info(otp_release) >= "26"])
        end,
Judge = fun Judge(eof) -> halt();
            Judge(Line) ->
                io:put_chars([base64:encode(try Again(Line) catch error:_ -> <<>> end), 10]),
                Judge(io:get_line(""))
        end,
Judge(io:get_line("")).
"""


@contextmanager
def running_erlang() -> Iterator[Callable[[bytes], bytes]]:
    """Yield a function that takes a term's bytes and returns Erlang's bytes for it, or none if Plug refuses it."""
    erl = shutil.which("erl")
    if erl is None:
        msg = "erl is missing: put an Erlang on PATH"
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
