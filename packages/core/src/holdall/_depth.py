"""Limit how deeply the values of a session may be nested."""

__all__ = ["MAX_DEPTH"]

#: The maximum nesting of containers, counting the session itself. All formats and stores use the same limit, so that a
#: session can move from one to another. Python itself limits how deeply nested a value can be to be compared, shown or
#: copied: at twice this depth, repr() would fail on top of a web framework's stack.
MAX_DEPTH = 512
