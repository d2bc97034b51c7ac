"""
Keep the sessions of any ASGI application: Litestar, Quart, Falcon, or one without a framework.

``SessionMiddleware`` manages each request's session; handlers find it as ``scope["session"]``.
"""

from holdall.asgi._middleware import SessionMiddleware, fetch_session

__all__ = ["SessionMiddleware", "fetch_session"]
