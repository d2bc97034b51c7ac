"""Django's own ``clearsessions``, for projects without ``django.contrib.sessions``."""

from django.contrib.sessions.management.commands.clearsessions import Command

__all__ = ["Command"]
