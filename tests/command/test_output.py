"""How the commands print text that others wrote."""

import io
import sys

import pytest

from holdall._command._output import complain, prepare, printable, say


def test_every_control_or_invisible_character_is_escaped() -> None:
    for number in range(sys.maxunicode + 1):
        shown = printable(chr(number))

        assert shown.isprintable()
        assert shown == chr(number) or shown.startswith("\\")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zoë 日本 \N{GRINNING FACE}", "Zoë 日本 \N{GRINNING FACE}"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\r\t\x7f\x9b31m", r"\r\t\x7f\x9b31m"),
        ("\u061c\u200e\u202a\u202e\u2066\u2069", r"\u061c\u200e\u202a\u202e\u2066\u2069"),
        ("a\u2028b\u2029c\u200bd\ufeff", r"a\u2028b\u2029c\u200bd\ufeff"),
        ("\ud800", r"\ud800"),
    ],
)
def test_ordinary_text_is_printed_unchanged(text: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(f"{text}\n{text}")
    complain(f"{text}\n{text}")

    out, err = capsys.readouterr()
    assert out == f"{shown}\n{shown}\n"
    assert err == f"holdall: {shown}\\n{shown}\n"


def test_an_output_of_another_kind_is_left_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())

    prepare()
    say("fine")

    assert sys.stdout.getvalue() == "fine\n"  # type: ignore[attr-defined]
