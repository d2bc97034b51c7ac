"""
Keep the sessions of any WSGI application (PEP 3333): Bottle, Pyramid, Falcon, or one without a framework.

``SessionMiddleware`` manages each request's session; handlers find it under ``"holdall.session"``.
"""

from holdall.wsgi._middleware import SessionMiddleware, fetch_session

__all__ = ["SessionMiddleware", "fetch_session"]
