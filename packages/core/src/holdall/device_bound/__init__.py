"""
Sessions that are bound to the visitor's device: Device Bound Session Credentials, a draft of the W3C.

The browser keeps a key pair in the device's hardware and shows every few minutes that it still holds it: a short-lived
*bound cookie* can only be renewed by signing a challenge. A copy of the cookies is then worth minutes. ``proofs``
verifies what is signed, ``holdall.lifecycle.device`` has the rules, ``rows`` and ``sealed`` keep the bindings of
sessions in a table and in cookies, and ``endpoints`` answers the two requests that the browser makes by itself.
"""

from holdall.device_bound.options import DeviceBound

__all__ = ["DeviceBound"]
