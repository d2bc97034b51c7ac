"""``holdall inspect``."""

import pprint
import random
import subprocess
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from command.program import HOLDALL, call, environment, run, run_on_terminal
from formats.secret import OTHER, SECRET
from formats.vectors import PLUG_CRYPTO_1, VECTORS, term_of
from holdall import MemoryTable, Sessions, TableStore
from holdall._clock import NEVER
from holdall._keys import WeakSecretWarning
from holdall.etf import Atom, dumps, loads
from holdall.formats import (
    DjangoFormat,
    DynamoFormat,
    FlaskFormat,
    Format,
    NativeFormat,
    PlugFormat,
    Record,
    StarletteFormat,
)

MADE = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
ENDS = MADE + timedelta(days=1)
DATA = {"user_id": 7, "note": "for nobody else"}
#: One key of each kind, and with each digest.
OF_PLUG = list(
    {(each["kind"], each["cookie"].split(".")[0][:11]): each for each in reversed(VECTORS) if each["valid"]}.values()
)

VALUES = ("user_id", "nobody else")

PLUG_SALTS = ["--signing-salt", "salt", "--encryption-salt", "vault"]

#: Each format as an application sets it up, how its cookies are described, and the options that the command needs.
FORMATS: dict[str, tuple[Format, str, list[str]]] = {
    "native": (NativeFormat(SECRET), "holdall, encrypted, version 1, key id ", []),
    "native, signed": (NativeFormat(SECRET, encrypt=False), "holdall, signed and readable, version 2, key id ", []),
    "native, with options": (
        NativeFormat(SECRET, app_name="shop", signing_salt="a", encryption_salt="b"),
        "holdall, encrypted, version 1, key id ",
        ["--app-name", "shop", "--signing-salt", "a", "--encryption-salt", "b"],
    ),
    "plug": (PlugFormat(SECRET, signing_salt="salt", encryption_salt="vault"), "Plug, encrypted", PLUG_SALTS),
    "plug, signed": (PlugFormat(SECRET, signing_salt="salt"), "Plug, signed and readable", PLUG_SALTS),
    "plug, with options": (
        PlugFormat(
            SECRET, signing_salt="salt", key_iterations=10, key_length=40, key_digest="sha512", serializer="json"
        ),
        "Plug, signed and readable",
        [
            "--signing-salt",
            "salt",
            "--key-iterations",
            "10",
            "--key-length",
            "40",
            "--key-digest",
            "sha512",
            "--serializer",
            "json",
        ],
    ),
    "dynamo": (DynamoFormat(SECRET), "Dynamo, signed and readable", []),
    "flask": (FlaskFormat(SECRET), "Flask, signed and readable", []),
    "flask, with options": (
        FlaskFormat(SECRET, salt="other", key_derivation="concat", digest="sha512"),
        "Flask, signed and readable",
        ["--salt", "other", "--key-derivation", "concat", "--digest", "sha512"],
    ),
    "starlette": (StarletteFormat(SECRET), "Starlette, signed and readable", []),
    "django": (DjangoFormat(SECRET), "Django's signed_cookies, signed and readable", []),
}
every_format = pytest.mark.parametrize("name", FORMATS)


def record(data: dict[str, Any], ends: datetime = ENDS, log_id: str = "0" * 16) -> Record:
    return Record(data, int(MADE.timestamp()), int(ends.timestamp()), log_id)


def cookie_of(name: str, *, ends: datetime = ENDS) -> str:
    format, _, _ = FORMATS[name]
    return format.seal(record(dict(DATA), ends, "0123456789abcdef"), key="_shop")


def lines(stdout: str) -> dict[str, str]:
    """Return the printed values by name."""
    return {line[:8].strip(): line[8:] for line in stdout.splitlines()}


def inspect(cookie: str, *options: str, secret: str | None = SECRET) -> tuple[int, dict[str, str]]:
    """Run the command; return its exit code and the printed values."""
    done = call("inspect", *options, "--", cookie, env={} if secret is None else {"HOLDALL_SECRET": secret})
    assert done.stderr == ""
    assert not any(secret in done.stdout for secret in (SECRET, OTHER))
    assert len(cookie) < 40 or cookie not in done.stdout
    return done.returncode, lines(done.stdout)


@every_format
def test_a_cookies_format_is_named_and_its_secret_opens_it(name: str) -> None:
    _, says, options = FORMATS[name]
    cookie = cookie_of(name)

    code, said = inspect(f"_shop={cookie}", *options)

    assert code == 0
    assert said.pop("format").startswith(says)
    assert said == {
        "size": f"{len(cookie)} bytes",
        "secret": "opens it",
        "made": f"{MADE:%Y-%m-%dT%H:%M:%SZ}",
        "ends": f"{ENDS:%Y-%m-%dT%H:%M:%SZ}",
        "log id": "0123456789abcdef",
    }


@every_format
def test_another_secret_does_not_open_it_and_nothing_more_is_printed(name: str) -> None:
    _, says, options = FORMATS[name]

    code, said = inspect(f"_shop={cookie_of(name)}", "--data", *options, secret=OTHER)

    assert code == 1
    assert says in said["format"]
    assert said["secret"] == "does not open it"
    assert said.keys() == {"format", "size", "secret"}


@every_format
def test_without_a_secret_only_its_format_and_size_are_printed(name: str) -> None:
    _, says, _ = FORMATS[name]

    code, said = inspect(cookie_of(name), "--data", secret=None)

    assert code == 0
    assert says in said["format"]
    assert said["secret"] == "none given"
    assert said.keys() == {"format", "size", "secret"}


@every_format
def test_the_data_is_printed_only_on_request(name: str) -> None:
    *_, options = FORMATS[name]

    _, without = inspect(f"_shop={cookie_of(name)}", *options)
    _, with_data = inspect(f"_shop={cookie_of(name)}", "--data", *options)

    assert not any(value in str(without) for value in VALUES)
    assert with_data["data"] == "{'note': 'for nobody else', 'user_id': 7}"


@every_format
def test_a_cookie_with_another_name_does_not_open(name: str) -> None:
    *_, options = FORMATS[name]

    code, said = inspect(cookie_of(name), "--key", "other", *options)

    assert (code, said["secret"]) == (1, "does not open it")


@pytest.mark.parametrize("name", ["native", "starlette", "dynamo"])
@pytest.mark.parametrize(
    "written", ["_shop={}", "_shop={}; Path=/; HttpOnly; SameSite=Lax", " _shop = {} \n", "{}"], ids=str.strip
)
def test_a_cookie_may_be_copied_with_its_surroundings(name: str, written: str) -> None:
    options = ["--key", "_shop"] if written == "{}" else []

    assert inspect(written.format(cookie_of(name)), *options)[1]["secret"] == "opens it"


@pytest.mark.parametrize("arguments", [[], ["-"]], ids=str)
def test_a_cookie_may_come_from_standard_input(arguments: list[str]) -> None:
    done = run("inspect", *arguments, input=f"_shop={cookie_of('native')}\n", env={"HOLDALL_SECRET": SECRET})

    assert (done.returncode, done.stderr) == (0, "")
    assert lines(done.stdout)["secret"] == "opens it"


@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_the_secret_is_the_second_line_of_standard_input(ending: str) -> None:
    done = run("inspect", "--key", "_shop", input=f"{cookie_of('native')}\n{SECRET}{ending}")

    assert (done.returncode, done.stderr) == (0, "")
    assert lines(done.stdout)["secret"] == "opens it"
    assert SECRET not in done.stdout


def test_a_cookie_alone_is_inspected_without_a_secret() -> None:
    done = run("inspect", input=cookie_of("native"))

    assert (done.returncode, done.stderr) == (0, "")
    assert lines(done.stdout)["secret"] == "none given"


def test_no_secret_is_read_from_standard_input_if_the_cookie_is_an_argument() -> None:
    done = run("inspect", f"_shop={cookie_of('native')}", input=f"{SECRET}\n")

    assert lines(done.stdout)["secret"] == "none given"


def test_empty_input_is_not_a_cookie() -> None:
    assert run("inspect").returncode == 1


def test_standard_input_need_not_be_text() -> None:
    secret = random.Random(9).randbytes(64).replace(b"\n", b"\xff").replace(b"\r", b"\xff")
    cookie = NativeFormat(secret).seal(record(DATA), key="_shop")

    done = subprocess.run(
        [*HOLDALL, "inspect"],
        input=b"_shop=" + cookie.encode() + b"\n" + secret + b"\n",
        env=environment({}),
        capture_output=True,
        check=False,
    )
    rubbish = subprocess.run(
        [*HOLDALL, "inspect"], input=b"\xff\xfe\n", env=environment({}), capture_output=True, check=False
    )

    assert b"opens it" in done.stdout
    assert (rubbish.returncode, rubbish.stderr) == (1, b"")


def test_the_secret_may_be_in_another_environment_variable() -> None:
    env = {"SHOP_SECRET": SECRET, "HOLDALL_SECRET": OTHER}

    done = run("inspect", f"_shop={cookie_of('native')}", "--secret-env", "SHOP_SECRET", env=env)

    assert lines(done.stdout)["secret"] == "opens it"


def test_an_unset_variable_is_an_error() -> None:
    done = run("inspect", cookie_of("native"), "--secret-env", "SHOP_SECRET", env={"HOLDALL_SECRET": SECRET})

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "holdall: the environment variable that --secret-env names is unset or empty.\n"


def test_a_secret_of_bytes_is_used_as_it_is() -> None:
    secret = random.Random(3).randbytes(64).replace(b"\0", b"\xff")
    cookie = NativeFormat(secret).seal(record(DATA), key="_shop")

    assert inspect(f"_shop={cookie}", secret=secret.decode("utf-8", "surrogateescape"))[1]["secret"] == "opens it"


def test_on_a_terminal_the_secret_is_prompted_for_and_not_shown() -> None:
    code, seen = run_on_terminal("inspect", f"_shop={cookie_of('native')}", keys=f"{SECRET}\n")

    assert code == 0
    assert "Secret (input is hidden" in seen
    assert "opens it" in seen
    assert SECRET not in seen


def test_on_a_terminal_the_cookie_is_prompted_for_and_not_shown() -> None:
    cookie = cookie_of("native")

    code, seen = run_on_terminal("inspect", keys=f"_shop={cookie}\n", env={"HOLDALL_SECRET": SECRET})

    assert code == 0
    assert "Cookie (input is hidden" in seen
    assert "opens it" in seen
    assert cookie not in seen


def test_on_a_terminal_ctrl_d_gives_nothing() -> None:
    assert "format  unknown" in run_on_terminal("inspect", keys="\x04")[1]
    assert "none given" in run_on_terminal("inspect", f"_shop={cookie_of('native')}", keys="\x04")[1]


def test_a_cookie_that_a_terminal_would_truncate_is_refused() -> None:
    code, seen = run_on_terminal("inspect", keys="a" * 5000 + "\n")

    assert code == 1
    assert "the terminal cuts off lines at 4095 characters" in seen


def test_on_a_terminal_the_secret_may_be_left_out() -> None:
    code, seen = run_on_terminal("inspect", f"_shop={cookie_of('native')}", keys="\n")

    assert code == 0
    assert "none given" in seen


def test_a_weak_secret_is_tried_anyway() -> None:
    with pytest.warns(WeakSecretWarning):
        weak = FlaskFormat("dev", weak_secrets=True)
    cookie = weak.seal(record(DATA), key="session")

    assert inspect(f"session={cookie}", secret="dev")[1]["secret"] == "opens it"


def test_a_secret_needs_the_cookies_name() -> None:
    done = run("inspect", cookie_of("native"), env={"HOLDALL_SECRET": SECRET})

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "holdall: a cookie opens only under its own name: pass it with --key, or write name=value.\n"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("plug", [], "this cookie needs --signing-salt, as set in the application."),
        ("plug", ["--signing-salt", "salt"], "this cookie needs --encryption-salt, as set in the application."),
        ("native", ["--salt", "a"], "--salt is not an option of this cookie's format."),
        ("plug, signed", [*PLUG_SALTS, "--key-digest", "md5"], "key_digest='md5' is unknown. Choose one of: sha, "),
    ],
)
def test_options_that_do_not_fit_are_named(name: str, options: list[str], message: str) -> None:
    done = run("inspect", f"_shop={cookie_of(name)}", *options, env={"HOLDALL_SECRET": SECRET})

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"holdall: {message}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["native", "flask", "plug"])
def test_an_expired_session_is_reported(name: str) -> None:
    *_, options = FORMATS[name]

    code, said = inspect(f"_shop={cookie_of(name, ends=MADE + timedelta(minutes=1))}", *options)

    assert code == 0
    assert said["ends"] == f"{MADE + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ} (expired)"


def test_a_cookie_without_times_is_not_given_any() -> None:
    _, said = inspect(f"_shop={cookie_of('plug', ends=NEVER)}", *PLUG_SALTS)

    assert (said["made"], said["ends"]) == ("not recorded", "not recorded")


def test_a_flask_session_ends_when_the_application_says() -> None:
    cookie = cookie_of("flask", ends=NEVER)

    _, said = inspect(f"_shop={cookie}", "--max-age", "60")
    _, default = inspect(f"_shop={cookie}")

    made = datetime.fromisoformat(said["made"])
    assert datetime.fromisoformat(said["ends"]) == made + timedelta(seconds=61)
    assert datetime.fromisoformat(default["ends"]) == made + timedelta(days=31, seconds=1)


@pytest.mark.parametrize("vector", OF_PLUG, ids=lambda vector: vector["id"])
def test_a_cookie_of_the_real_plug_is_recognized_and_opened(vector: dict[str, Any]) -> None:
    names = ("signing_salt", "encryption_salt", "key_iterations", "key_length", "key_digest", "serializer")
    given = {name: str(vector[name]) for name in names if vector["kind"] != "dynamo" and vector[name] is not None}
    options = [text for name, value in given.items() for text in (f"--{name.replace('_', '-')}", value)]

    code, said = inspect(f"_plug={vector['cookie']}", *options, "--data", secret=vector["secret_key_base"])

    assert code == 0
    assert said["format"].startswith("Dynamo, " if vector["kind"] == "dynamo" else "Plug, ")
    data = dict(term_of(vector["term"]))
    assert said["data"] == pprint.pformat({str(name): data[name] for name in data}).split("\n")[0]


def test_the_id_of_a_session_in_a_table_is_recognized_and_not_repeated() -> None:
    sessions = Sessions(TableStore(MemoryTable()), key="sid")
    session = sessions.fetch()
    session["a"] = 1
    (cookie,) = sessions.commit(session).cookies

    code, said = inspect(str(cookie), secret=None)

    assert code == 0
    assert said == {"format": "the ID of a session in a table", "size": "40 bytes"}


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "x",
        "-" * 42,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXI",
        "é" * 43,
        "a=b",
        "=",
        "\x1b[2J",
    ],
)
def test_other_text_is_reported_as_unknown(cookie: str) -> None:
    code, said = inspect(cookie)

    assert code == 1
    assert said["format"] == "unknown"
    assert "\x1b" not in str(said)


NASTY = "\x1b[2J\x1b]0;title\x07 \r \x7f \x9b31m \u202egnp.exe \u2066 \u200b \u2028 \ufeff \ue000"


def test_a_sessions_data_cannot_control_the_terminal() -> None:
    format = PlugFormat(SECRET, signing_salt="salt", clock=lambda: MADE)
    data = {NASTY: [NASTY, Atom(NASTY)], "text": "Zoë 日本"}
    cookie = format.seal(record(data), key="_shop")

    done = run("inspect", "--data", "--signing-salt", "salt", input=f"_shop={cookie}\n", env={"HOLDALL_SECRET": SECRET})

    assert done.returncode == 0
    assert all(each == "\n" or each.isprintable() for each in done.stdout)
    assert r"\x1b[2J" in done.stdout
    assert r"\u202egnp.exe" in done.stdout
    assert "Zoë 日本" in done.stdout


def test_a_deep_session_with_long_numbers_is_printed() -> None:
    deep: Any = 16**5000
    for _ in range(500):
        deep = [deep]
    format = PlugFormat(SECRET, signing_salt="salt", serializer=Compressed())
    cookie = format.seal(record({"a": deep, "b": -(16**3000)}, NEVER), key="_shop")

    done = run("inspect", "--data", "--signing-salt", "salt", input=f"_shop={cookie}\n", env={"HOLDALL_SECRET": SECRET})

    assert (done.returncode, done.stderr) == (0, "")
    assert "[" * 500 in done.stdout


class Compressed:
    """A serializer like ``term_to_binary(Term, [compressed])``."""

    def dumps(self, data: Any, /) -> bytes:
        term = dumps(data)[1:]
        return b"\x83P" + len(term).to_bytes(4, "big") + zlib.compress(term)

    def loads(self, payload: bytes, /) -> Any:
        return loads(payload)


def test_an_output_with_fewer_characters_gets_escapes() -> None:
    cookie = cookie_with({"name": "Zoë 日本"})

    done = run("inspect", f"_shop={cookie}", "--data", env={"HOLDALL_SECRET": SECRET, "PYTHONIOENCODING": "ascii"})

    assert (done.returncode, done.stderr) == (0, "")
    assert r"Zo\xeb \u65e5\u672c" in done.stdout


def cookie_with(data: dict[str, Any]) -> str:
    return NativeFormat(SECRET).seal(record(data), key="_shop")


@pytest.mark.parametrize("vector", PLUG_CRYPTO_1["cookies"], ids=str)
def test_a_cookie_of_plug_crypto_1_is_recognized_with_every_key_length(vector: dict[str, Any]) -> None:
    code, said = inspect(f"_shop={vector['cookie']}", *PLUG_SALTS, "--key-length", str(vector["key_length"]))

    assert (code, said["format"]) == (0, "Plug, encrypted by plug_crypto before 2.0")


@every_format
def test_a_format_can_be_selected(name: str) -> None:
    *_, options = FORMATS[name]
    named, *_ = name.split(",")
    other = "django" if named != "django" else "plug"

    assert inspect(f"_shop={cookie_of(name)}", "--format", named, *options)[1]["secret"] == "opens it"
    assert inspect(f"_shop={cookie_of(name)}", "--format", other, *options) == (
        1,
        {"format": "unknown", "size": f"{len(cookie_of(name))} bytes"},
    )
