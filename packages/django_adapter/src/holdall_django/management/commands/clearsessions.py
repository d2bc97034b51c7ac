"""Provide Django's own ``clearsessions`` to projects without ``django.contrib.sessions``."""

from django.contrib.sessions.management.commands.clearsessions import Command

__all__ = ["Command"]
