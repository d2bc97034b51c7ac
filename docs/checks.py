"""
Check the pages' wording, and that the built site needs no other host: ``python docs/checks.py build/docs``.

``words.toml`` lists words to avoid. Vale does such checks too, but its package downloads the program at its first run.
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
#: Code blocks, inline code, and link targets.
_CODE = re.compile(r"^```.*?^```|``.*?``|`[^`\n]*`|\]\([^)\s]*\)", re.DOTALL | re.MULTILINE)
#: HTML and CSS that make a browser load something, unlike links that a reader may follow.
_LOADED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?((?:https?:)?//[^\"'\s>]+)"
    r"|<link\b[^>]*\bhref=[\"']?((?:https?:)?//[^\"'\s>]+)"
    r"|(?:url\(|@import\s+)[\"']?((?:https?:)?//[^\"')\s]+)"
)


def main(arguments: Sequence[str]) -> int:
    """Print the faults of the pages, and of the site in the folder *arguments*; return 1 if there are any."""
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
    """Yield each page, and each docstring of the packages, with the line that it begins on."""
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
    """Yield each word to avoid in *text*, which begins on the line *first*: its line, the word, and the alternative."""
    # Code is blanked out but keeps its line breaks, so that line numbers stay correct.
    prose = _CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    for pattern, instead in _INSTEAD.items():
        for found in pattern.finditer(prose):
            yield first + prose.count("\n", 0, found.start()), found[0], instead


def loaded(site: Path) -> Iterator[tuple[str, str]]:
    """Yield each page or style sheet of *site* that loads something from another host, and the address."""
    for path in sorted(site.rglob("*")):
        if path.suffix in {".html", ".css"}:
            for found in _LOADED.finditer(path.read_text(encoding="utf-8")):
                yield str(path.relative_to(site)), next(filter(None, found.groups()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
