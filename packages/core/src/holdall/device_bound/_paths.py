"""Return a path of the application as a browser sends it."""

from urllib.parse import quote

__all__ = ["browser_path"]

# The characters of a path that need no encoding (RFC 3986, section 3.3), in addition to those that ``quote`` always
# keeps. A semicolon would separate parameters of a header.
_SAFE = "/!$&'()*+,:=@"


def browser_path(mounted_at: str, path: str) -> str:
    """
    Return the *path* of an application that is mounted at *mounted_at*.

    The visitor may have chosen a part of *mounted_at*, such as a tenant's name, and servers decode it. So it is encoded
    before it goes into a header or a URL; otherwise it could end the header, or add parameters to it.
    """
    prefix = quote(mounted_at, _SAFE, errors="surrogateescape")
    # With two slashes at its beginning, a URL names another host.
    return (f"/%2F{prefix[2:]}" if prefix.startswith("//") else prefix) + path
