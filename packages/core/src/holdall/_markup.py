"""Mark text as safe HTML."""

__all__ = ["markup"]


def markup(text: str) -> str:
    """Return *text* as markupsafe's ``Markup``, or unchanged if markupsafe is not installed."""
    try:
        from markupsafe import Markup
    except ModuleNotFoundError:
        return text
    return Markup(text)  # noqa: S704  # it was marked as safe when it was put into the session
