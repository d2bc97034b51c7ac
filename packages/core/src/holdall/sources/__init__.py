"""
Where other libraries keep their sessions on the server.

``Sessions("table", migrate_from=[…])`` finds a visitor's session there, once, and moves it into its table. A source for
each library sits in a module of its own.
"""

from holdall.sources.contract import AnySource, AsyncSource, Entry, Refused, Source, TwoFormedSource

__all__ = ["AnySource", "AsyncSource", "Entry", "Refused", "Source", "TwoFormedSource"]
