"""The errors of redis-py said in our words.

The text of a driver's error is only in the cause: a server repeats what it was sent, and that may
be part of a prompt.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions as redis_errors

from cache_fabric.errors import BackendError, BackendTimeout, BackendUnavailable

__all__ = ["BACKEND", "translated"]

BACKEND = "redis"

_REASONS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (
        (redis_errors.AuthenticationError, redis_errors.AuthenticationWrongNumberOfArgsError),
        "{address} refuses the user or the password",
    ),
    (redis_errors.BusyLoadingError, "{address} is still loading its data; try again"),
    (redis_errors.MaxConnectionsError, "all connections to {address} are in use"),
    (redis_errors.OutOfMemoryError, "{address} is full; raise its maxmemory"),
    (redis_errors.ReadOnlyError, "{address} is a replica now; try again"),
    (
        (redis_errors.ConnectionError, OSError),
        "nothing answers at {address}; start the server or correct the url",
    ),
    (
        (
            redis_errors.ClusterError,
            redis_errors.TryAgainError,
            redis_errors.RedisClusterException,
        ),
        "{address} cannot serve this now; try again",
    ),
)
_TRANSIENT_CODES = ("UNBLOCKED", "NOREPLICAS", "MISCONF", "MASTERDOWN", "LOADING")
_OWN_MISTAKES = (redis_errors.RedisError, redis_errors.RedisClusterException, OSError)


@contextmanager
def translated(operation: str, address: str) -> Iterator[None]:
    """Turns an error of redis-py into `BackendError` or a child that names the address."""
    try:
        yield
    except BackendError:
        raise  # two of them are OSErrors
    except (redis_errors.TimeoutError, TimeoutError) as error:
        message = f"{address} did not answer in time"
        raise BackendTimeout(BACKEND, operation, message) from error
    except _OWN_MISTAKES as error:
        raise _translation(error, operation, address) from error


def _translation(error: Exception, operation: str, address: str) -> BackendError:
    if isinstance(error.__context__, ssl.SSLError):
        message = f"no encrypted connection to {address}; check rediss:// and ssl_ca_certs"
        return BackendUnavailable(BACKEND, operation, message)
    for kinds, reason in _REASONS:
        if isinstance(error, kinds):
            return BackendUnavailable(BACKEND, operation, reason.format(address=address))
    code = str(error).partition(" ")[0]
    if code in _TRANSIENT_CODES:
        message = f"{address} cannot serve this now ({code}); try again"
        return BackendUnavailable(BACKEND, operation, message)
    return BackendError(BACKEND, operation, f"{address} refused it: {type(error).__name__}")
