"""Log the errors of a request that has already failed, because its first failure is the one to report."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["after_failure"]

_logger = logging.getLogger("holdall")


@contextmanager
def after_failure() -> Iterator[None]:
    """Run the block that ends the sessions of a failed request, and log an error instead of raising it."""
    try:
        yield
    except Exception:
        _logger.exception("a session could not be ended after its request had failed")
