"""The smallest Django project that still has users, an admin and messages."""

import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_project.settings"
django.setup()
# The settings have been read by now. Another process that a test starts may have its own project.
del os.environ["DJANGO_SETTINGS_MODULE"]
