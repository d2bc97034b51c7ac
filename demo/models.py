"""The user model of the shop in Django."""

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models

from demo.shop import LONGEST_NAME

__all__ = ["Shopper"]


class Shopper(AbstractBaseUser):
    """A user whose ID is the name, as in the other frameworks. Any name will do, so there is no password."""

    name: "models.CharField[str, str]" = models.CharField(primary_key=True, max_length=LONGEST_NAME)
    password: "models.CharField[str, str]" = models.CharField(default="", max_length=1)
    last_login = None

    USERNAME_FIELD = "name"
