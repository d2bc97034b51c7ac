"""
Write a page for each public module, from the docstrings of what it offers.

``public.toml`` says which modules are public, and a module's ``__all__`` which of its names are. A name that has no
docstring stops the build. A name that several modules offer is described by the first, and the others link to it.
"""

import ast
import inspect
import re
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.pycode import ModuleAnalyzer

__all__ = ["MODULES", "VERSION", "link_outside", "write_pages"]

DOCS = Path(__file__).parent
MODULES: dict[str, list[str]] = tomllib.loads((DOCS / "public.toml").read_text(encoding="utf-8"))["modules"]

_CORE = tomllib.loads((DOCS.parent / "packages" / "core" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION: str = _CORE["version"]

#: What a class inherits from these needs no line on its page.
_WELL_KNOWN = "dict, MutableMapping, Mapping, Exception, BaseException, tuple, Enum, str, object"
_LINK_OUTSIDE = re.compile(r"\]\(((?:\.\./)+)((?!guides/|recipes/)[\w./-]+)(#[\w-]+)?\)")


def write_pages(folder: Path) -> None:
    """
    Write the pages of all public modules into *folder*, and an index of them.

    Raises:
        ExtensionError: A public name has no docstring.
    """
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.rst"):
        if path.stem not in {*MODULES, "index"}:
            path.unlink()
    undocumented: list[str] = []
    described: dict[object, str] = {}
    for name in MODULES:
        _write(folder / f"{name}.rst", "\n".join(_page(name, described, undocumented)))
    if undocumented:
        msg = f"public names without a docstring: {', '.join(undocumented)}"
        raise ExtensionError(msg)
    listed = "\n".join(f"   {name}" for name in MODULES)
    _write(folder / "index.rst", f"{_INDEX}\n{listed}\n")


_INDEX = """\
API reference
=============

The public modules, and what their docstrings say. :doc:`/reference` explains how the parts work together.

.. toctree::
   :maxdepth: 1
"""


def _write(path: Path, text: str) -> None:
    # A page that stays the same keeps its time, so that Sphinx need not read it again.
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _page(module: str, described: dict[object, str], undocumented: list[str]) -> list[str]:
    # A model of Django can be imported only where there are settings.
    for needed in MODULES[module]:
        import_module(needed)
    offered = import_module(module)
    if not inspect.getdoc(offered):
        undocumented.append(module)
    lines = [module, "=" * len(module), "", f".. py:module:: {module}", "", inspect.getdoc(offered) or "", ""]
    for name in offered.__all__:
        value = getattr(offered, name)
        full = f"{module}.{name}"
        home = _home(module, name)
        known = described.setdefault((home, name), full)
        if known != full:
            lines += [f"* ``{name}``: :py:obj:`{known}`", ""]
            continue
        if inspect.isclass(value):
            lines += [f".. autoclass:: {full}", "   :members:", f"   :inherited-members: {_WELL_KNOWN}", ""]
            documented = bool(value.__doc__)
        elif inspect.isroutine(value):
            lines += [f".. autofunction:: {full}", ""]
            documented = bool(value.__doc__)
        else:
            text = ModuleAnalyzer.for_module(home).find_attr_docs().get(("", name), [])
            lines += [f".. py:data:: {full}", "", *(f"   {line}" for line in text), ""]
            documented = any(text)
        if not documented:
            undocumented.append(full)
    return lines


def _home(module: str, name: str) -> str:
    """Return the module in which *name* is defined, which *module* may have imported from elsewhere."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return module
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                if (alias.asname or alias.name) == name and node.module.startswith("holdall"):
                    return _home(node.module, alias.name)
    return module


def link_outside(app: Sphinx, docname: str, source: list[str]) -> None:
    """Let a page's links to files outside of ``docs/`` lead to the project's source, which the site does not hold."""
    home = _CORE["urls"]["Source"]
    depth = docname.count("/") + 1

    def outside(found: re.Match[str]) -> str:
        return f"]({home}/{found[2]}{found[3] or ''})" if found[1].count("../") == depth else found[0]

    source[0] = _LINK_OUTSIDE.sub(outside, source[0])
