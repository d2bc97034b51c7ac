"""Clients of Redis and Valkey, as whoever keeps sessions there needs them."""

from typing import Any

from holdall.errors import ConfigurationError, StoreError
from holdall.steps import is_awaited

try:
    import redis
    import redis.asyncio
    from redis.backoff import NoBackoff
    from redis.exceptions import NoScriptError, RedisClusterException, RedisError
except ModuleNotFoundError as exc:
    msg = "RedisTable needs redis-py. Install it with: pip install 'holdall[redis]'"
    raise ModuleNotFoundError(msg, name=exc.name) from exc

__all__ = ["FAILURES", "NoScriptError", "answers_later", "client_by_url", "failure", "given_client", "redis"]

# How long one waits for the server, or for a connection that others have in use, where a URL says nothing else.
_PATIENCE_SECONDS = 5

# What others call these schemes.
_SCHEMES = {"valkey": "redis", "valkeys": "rediss"}

FAILURES = (RedisError, RedisClusterException)


def client_by_url(module: Any, url: str) -> Any:
    """
    Return a client with a pool of its own.

    Args:
        module: ``redis``, or ``redis.asyncio`` for a client that is awaited.

    Raises:
        ConfigurationError: The URL cannot be read.
    """
    scheme, separator, rest = url.partition("://")
    try:
        pool = module.BlockingConnectionPool.from_url(
            _SCHEMES.get(scheme, scheme) + separator + rest,
            timeout=_PATIENCE_SECONDS,
            socket_timeout=_PATIENCE_SECONDS,
            # What was asked for may be done though its answer was lost, so nothing is sent twice. A connection that
            # has ended since its last use is seen before the next, and made anew: that is all it takes to recover.
            retry=module.retry.Retry(NoBackoff(), 0),
            # The newer protocol has no use here, and asks more of each new connection.
            protocol=2,
        )
    except ValueError:
        # Its words may hold a piece of the password.
        msg = "the URL cannot be read: write redis://user:password@host:6379/0, with %40 for an @ in a password."
        raise ConfigurationError(msg) from None
    return module.Redis.from_pool(pool)


def answers_later(given: Any) -> bool:
    """Say whether a client or a pool of redis-py's is one of ``redis.asyncio``."""
    return is_awaited(given.execute_command if hasattr(given, "execute_command") else given.disconnect)


def given_client(module: Any, given: Any) -> Any:
    """
    Return the client that an application gives, or one over the pool that it gives.

    Raises:
        ConfigurationError: It decodes what it receives.
    """
    client = given if hasattr(given, "execute_command") else module.Redis(connection_pool=given)
    if client.get_encoder().decode_responses:
        msg = "the client was made with decode_responses=True, and sessions are kept as bytes: give one without."
        raise ConfigurationError(msg)
    return client


def failure(exc: Exception) -> StoreError:
    """Return the driver's error as ours, without its own words: they may hold an address, and so a password."""
    return StoreError(f"Redis failed: {type(exc).__name__}.")
