"""A Django project as small as it can be and still have users, an admin and messages."""

import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_project.settings"
django.setup()
# The settings have been read. Another process that a test starts may have a project of its own.
del os.environ["DJANGO_SETTINGS_MODULE"]
