"""Configure the application for ``INSTALLED_APPS``, with its table and its system checks."""

from importlib import import_module

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

__all__ = ["HoldallConfig"]

_AUTH = "holdall_django.auth"


class HoldallConfig(AppConfig):
    """The application's configuration, which registers the checks and hides the secrets in ``HOLDALL``."""

    name = "holdall_django"
    verbose_name = "holdall"

    def ready(self) -> None:
        from holdall_django import _checks as ours
        from holdall_django._logins import record_logins
        from holdall_django._options import hide_options

        hide_options()
        record_logins()
        if any(path.startswith(f"{_AUTH}.") for path in settings.MIDDLEWARE):
            # Commands load no middleware, and may change passwords.
            import_module(_AUTH)
        checks.register(ours.check_settings, checks.Tags.security)
        checks.register(ours.check_deployment, checks.Tags.security, deploy=True)
