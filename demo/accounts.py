"""The authentication backend of the shop in Django."""

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from demo import shop
from demo.models import Shopper

__all__ = ["AnyName"]


class AnyName(BaseBackend):
    """Accept any user name, and create users who have logged in only through another framework so far."""

    def authenticate(self, request: HttpRequest | None, *, name: str = "", **credentials: Any) -> Shopper | None:
        name = shop.name_of(name)
        return self.get_user(name) if name else None

    def get_user(self, user_id: Any) -> Shopper | None:
        return Shopper.objects.get_or_create(pk=user_id)[0]
