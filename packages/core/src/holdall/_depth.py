"""How deep the values of a session may be nested."""

__all__ = ["MAX_DEPTH"]

#: How many containers may stand in one another, the session itself counted. It is the same for everything that writes
#: and reads sessions, so that a session can move from one to another. Python has a limit of its own where values are
#: compared, shown or copied: twice as deep, repr() would fail below a web framework's stack.
MAX_DEPTH = 512
