"""
Check the words of the pages, and that the built site needs no other host: ``python docs/checks.py build/docs``.

The words are in ``words.toml``. Vale does such checks too, but its program is no wheel: its package downloads it.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["flagged", "loaded", "main", "texts"]

ROOT = Path(__file__).parents[1]
_INSTEAD: dict[re.Pattern[str], str] = {
    re.compile(pattern, re.IGNORECASE): instead
    for pattern, instead in tomllib.loads((ROOT / "docs" / "words.toml").read_text(encoding="utf-8"))["instead"].items()
}
#: Code, in a block or in a line, and the targets of links.
_CODE = re.compile(r"^```.*?^```|``.*?``|`[^`\n]*`|\]\([^)\s]*\)", re.DOTALL | re.MULTILINE)
#: What makes a browser load something, as opposed to a link that a reader may follow.
_LOADED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?((?:https?:)?//[^\"'\s>]+)"
    r"|<link\b[^>]*\bhref=[\"']?((?:https?:)?//[^\"'\s>]+)"
    r"|(?:url\(|@import\s+)[\"']?((?:https?:)?//[^\"')\s]+)"
)


def main(arguments: Sequence[str]) -> int:
    """Print what is wrong with the pages, and with the site in the folder *arguments*; return 1 if anything is."""
    (built,) = arguments
    faults = [
        f"{path.relative_to(ROOT)}:{line}: {word!r}: {instead}"
        for path, first, text in texts()
        for line, word, instead in flagged(text, first)
    ]
    faults += [f"{page} loads {address}" for page, address in loaded(Path(built))]
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


def texts() -> Iterator[tuple[Path, int, str]]:
    """Yield what people read: each page, and each docstring of the packages, with the line that it begins on."""
    for pattern in ("*.md", ".github/**/*.md", "docs/**/*.md", "packages/*/README.md"):
        for page in sorted(ROOT.glob(pattern)):
            yield page, 1, page.read_text(encoding="utf-8")
    for module in sorted(ROOT.glob("packages/*/src/**/*.py")):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node, clean=False)
                if text is not None:
                    yield module, node.body[0].lineno, text


def flagged(text: str, first: int = 1) -> Iterator[tuple[int, str, str]]:
    """Yield each word of *text*, which begins on the line *first*, that has a better one: its line, it, and what."""
    # Code is blanked out and its lines stay, so that a fault is shown where it stands.
    prose = _CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    for pattern, instead in _INSTEAD.items():
        for found in pattern.finditer(prose):
            yield first + prose.count("\n", 0, found.start()), found[0], instead


def loaded(site: Path) -> Iterator[tuple[str, str]]:
    """Yield what a page or a style sheet of *site* loads from another host, which a reader offline has not."""
    for path in sorted(site.rglob("*")):
        if path.suffix in {".html", ".css"}:
            for found in _LOADED.finditer(path.read_text(encoding="utf-8")):
                yield str(path.relative_to(site)), next(filter(None, found.groups()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
