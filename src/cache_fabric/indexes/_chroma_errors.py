"""What Chroma raises, in our words.

The text of an error of the connection is only in the cause: it may repeat a header, and so a key.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from cache_fabric.errors import (
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    CacheFabricError,
)

__all__ = ["translated"]


@contextmanager
def translated(index: str, operation: str) -> Iterator[None]:
    """Raise our errors for those of Chroma."""
    try:
        yield
    except CacheFabricError:
        raise
    except httpx.TimeoutException as error:
        raise BackendTimeout(index, operation, "the server did not answer in time") from error
    except httpx.TransportError as error:
        message = f"cannot be reached ({type(error).__name__})"
        raise BackendUnavailable(index, operation, message) from error
    except Exception as error:
        raise BackendError(index, operation, f"{type(error).__name__}: {error}") from error
