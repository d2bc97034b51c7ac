"""
Settings of the site that ``nox -s docs`` builds with Sphinx, MyST and Furo.

The pages are the Markdown files of this folder. The pages below ``api/`` are written anew for each build, by
``docs/api_pages.py``: one for each public module, from its docstrings. Nothing is loaded from another host.
"""

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
ROOT = HERE.parent
# Where api_pages is, and the Django project of the tests, which gives the Django adapter settings to be imported with.
sys.path[:0] = [str(HERE), str(ROOT)]

from api_pages import MODULES, VERSION, link_outside, write_pages  # noqa: E402

project = "holdall"
author = "The holdall authors"
copyright = "the holdall authors"
release = version = VERSION

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

# A link that leads nowhere fails the build: `nox -s docs` turns warnings into errors.
nitpicky = True
# What is offered by a public module must be found. Signatures also name types of Python, of other libraries, whose
# inventories would have to be fetched, of modules that are not public, and variables of one letter.
nitpick_ignore_regex = [("py:.*", rf"(?!(?:{'|'.join(map(re.escape, MODULES))})\.\w\w+$).*")]

myst_heading_anchors = 4
myst_enable_extensions = ["tasklist"]
suppress_warnings = ["myst.xref_ambiguous"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"holdall {VERSION}"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}


def setup(app: Sphinx) -> None:
    """Write the pages of the modules before Sphinx looks for pages, and lead links to files elsewhere to the source."""
    app.connect("builder-inited", lambda _: write_pages(HERE / "api"))
    app.connect("source-read", link_outside)
    app.connect("autodoc-process-docstring", keep_first_line, priority=400)


def keep_first_line(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Keep Napoleon, which comes after this, from taking an attribute's text before a colon for its type."""
    if what in {"attribute", "property"}:
        lines[:0] = ["..", ""]  # a comment, and so nothing on the page
