"""What the Pinecone client raises, in our words.

The text of an error of the connection is only in the cause: it may repeat a header, and so a key.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pinecone.errors import (
    ForbiddenError,
    NotFoundError,
    PineconeConnectionError,
    PineconeTimeoutError,
    UnauthorizedError,
)

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
    except PineconeTimeoutError as error:
        message = "the service did not answer in time"
        raise BackendTimeout(index, operation, message) from error
    except PineconeConnectionError as error:
        message = f"cannot be reached ({type(error).__name__})"
        raise BackendUnavailable(index, operation, message) from error
    except (UnauthorizedError, ForbiddenError) as error:
        message = "the service refused the key; see PINECONE_API_KEY"
        raise BackendUnavailable(index, operation, message) from error
    except NotFoundError as error:
        message = "there is no such index; make one, cosine, of the embedder's size"
        raise BackendUnavailable(index, operation, message) from error
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        raise BackendError(index, operation, message) from error
