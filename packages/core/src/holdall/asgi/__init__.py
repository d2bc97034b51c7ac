"""
Sessions of ``holdall`` in any ASGI application: Litestar, Quart, Falcon, or one without a framework.

``SessionMiddleware`` begins and ends a request's use of its session; handlers find it as ``scope["session"]``.
"""

from holdall.asgi.middleware import SessionMiddleware, fetch_session

__all__ = ["SessionMiddleware", "fetch_session"]
