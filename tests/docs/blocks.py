"""Extract the Python blocks of a page."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def python_blocks(page: str) -> list[tuple[int, str]]:
    """Return each block of *page*, a path from the repository's root, with the line that it begins on."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [(text.count("\n", 0, block.start(1)) + 1, block[1]) for block in found]


def fenced(text: str, language: str) -> list[str]:
    """Return the blocks of that *language* in *text*, a part of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def compiled(page: str, line: int, source: str) -> object:
    """Return *source* ready to run; a traceback shows the page and the line."""
    return compile("\n" * (line - 1) + source, str(ROOT / page), "exec")
