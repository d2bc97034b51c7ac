"""
One session in three frameworks: ``python -m demo`` serves the same small shop from Flask, FastAPI and Django.

``flask_app``, ``fastapi_app`` and ``django_app`` show how each framework gets its session, ``shop`` how it is used.
"""
