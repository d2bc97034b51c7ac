"""
Read and write Erlang's external term format (https://www.erlang.org/doc/apps/erts/erl_ext_dist).

Each term of Erlang and Elixir has one form in Python:

=========================  =======================================
``nil``, ``true, false``   ``None``, ``True, False``
other atoms                ``Atom``, which is a ``str``
integer, float             ``int``, ``float``
binary                     ``str`` if it is UTF-8, else ``bytes``
bit string                 ``BitString``
tuple                      ``tuple``
list, charlist             ``list``
improper list              ``ImproperList``
map, struct                ``dict``
pid, reference             ``Opaque``
port, function             refused, as Plug refuses them
=========================  =======================================

No two different terms are read as the same value. Some maps have keys that differ in Erlang and are equal in Python (an
atom and a binary of the same name, ``1`` and ``1.0``), or that Python cannot hash (a list, a map). A ``dict`` holds
those keys as ``AtomKey`` and ``MapKey``. ``bytes`` that would come back as ``str`` cannot be written.

Neither reading nor writing is recursive, so the result does not depend on the depth of the caller's stack.
"""

from holdall.etf._reading import MAX_BYTES, loads
from holdall.etf._terms import Atom, AtomKey, BitString, ImproperList, Opaque
from holdall.etf._writing import MapKey, dumps

__all__ = ["MAX_BYTES", "Atom", "AtomKey", "BitString", "ImproperList", "MapKey", "Opaque", "dumps", "loads"]
