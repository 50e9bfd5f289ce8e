"""What the Qdrant client raises, in our words.

The text of an error of the connection is only in the cause: it may repeat a header, and so a key.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from cache_fabric.errors import (
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    CacheFabricError,
)

__all__ = ["translated"]


@contextmanager
def translated(index: str, operation: str) -> Iterator[None]:
    """Raise our errors for those of the client."""
    try:
        yield
    except CacheFabricError:
        raise
    except ResponseHandlingException as error:
        if isinstance(error.source, httpx.TimeoutException):
            message = "the server did not answer in time"
            raise BackendTimeout(index, operation, message) from error
        message = f"cannot be reached ({type(error.source).__name__})"
        raise BackendUnavailable(index, operation, message) from error
    except UnexpectedResponse as error:
        if error.status_code in (401, 403):
            message = "the server refused the key; set QDRANT_API_KEY"
            raise BackendUnavailable(index, operation, message) from error
        message = f"the server answered {error.status_code}"
        raise BackendError(index, operation, message) from error
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        raise BackendError(index, operation, message) from error
