"""
Read the sessions that other libraries keep on the server.

``Sessions("table", migrate_from=[…])`` finds a visitor's session in such a source, once, and moves it into its table.
Each library's source has its own module.
"""

from holdall.sources._contract import AnySource, AsyncSource, Entry, Refused, Source, SyncOrAsyncSource

__all__ = ["AnySource", "AsyncSource", "Entry", "Refused", "Source", "SyncOrAsyncSource"]
