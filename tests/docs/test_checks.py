"""Test the faults that ``docs/checks.py`` finds in pages, and the text that it accepts."""

from pathlib import Path

import pytest

from docs import checks
from docs.blocks import ROOT


def test_a_word_to_avoid_is_shown_with_its_line_and_an_alternative() -> None:
    text = "It writes\nin order to read.\n\nWhoever reads it."

    assert list(checks.flagged(text, first=7)) == [
        (10, "Whoever", "name the actor: the user, a request, an attacker"),
        (8, "in order to", "to"),
    ]


def test_code_may_use_any_word() -> None:
    text = "A name is `nobody`, or ``nobody``:\n```python\nnobody = 1\n```\n[see](nobody.md)"

    assert list(checks.flagged(text)) == []


def test_session_id_is_written_with_capitals() -> None:
    assert [word for _, word, _ in checks.flagged("The session ID, a session id.")] == ["session id"]


def test_pages_and_docstrings_are_read() -> None:
    read = {path.relative_to(ROOT).as_posix() for path, _, _ in checks.texts()}

    assert {
        "README.md",
        "docs/security.md",
        "packages/core/README.md",
        "packages/core/src/holdall/_sessions.py",
    } <= read


def test_a_load_from_another_host_is_found(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        '<script src="_static/own.js"></script><a href="https://a.example">read</a>'
        '<script async src="https://b.example/x.js"></script><link rel="stylesheet" href="//c.example/x.css">',
        encoding="utf-8",
    )
    (tmp_path / "own.css").write_text("@font-face { src: url('https://d.example/x.woff') }", encoding="utf-8")

    assert list(checks.loaded(tmp_path)) == [
        ("index.html", "https://b.example/x.js"),
        ("index.html", "//c.example/x.css"),
        ("own.css", "https://d.example/x.woff"),
    ]


def test_the_program_fails_if_the_site_loads_from_another_host(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "texts", lambda: iter(()))
    assert checks.main([str(tmp_path)]) == 0

    (tmp_path / "index.html").write_text('<img src="https://a.example/x.png">', encoding="utf-8")

    assert checks.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out == "index.html loads https://a.example/x.png\n"


def test_the_program_fails_if_a_page_uses_a_word_to_avoid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "texts", lambda: iter([(ROOT / "README.md", 3, "utilize")]))

    assert checks.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out == "README.md:3: 'utilize': use\n"
