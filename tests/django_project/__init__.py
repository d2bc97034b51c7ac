"""A Django project as small as it can be and still have users, an admin and messages."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django_project.settings")
django.setup()
