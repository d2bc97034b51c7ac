"""
Bind sessions to the visitor's device: Device Bound Session Credentials, a W3C draft.

The browser keeps a key pair in the device's hardware and proves every few minutes that it still has it: a short-lived
*bound cookie* can only be renewed by signing a challenge. A stolen copy of the cookies is then useful only for minutes.
``proofs`` verifies the signatures, ``holdall._lifecycle.device`` has the rules, ``rows`` and ``sealed`` store the
bindings in a table and in cookies, and ``endpoints`` handles the two requests that the browser sends by itself.
"""

from holdall.device_bound._options import DeviceBound

__all__ = ["DeviceBound"]
