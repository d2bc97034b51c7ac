"""The installed version, as the package's metadata says."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("holdall")
