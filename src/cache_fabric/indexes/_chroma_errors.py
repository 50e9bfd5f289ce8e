"""What Chroma raises, in our words."""

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
        raise BackendUnavailable(index, operation, f"cannot be reached ({error})") from error
    except Exception as error:
        raise BackendError(index, operation, f"{type(error).__name__}: {error}") from error
