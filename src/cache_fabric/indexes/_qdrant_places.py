"""Where a Qdrant collection can live: on a server, in a folder of this process, or in memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from qdrant_client import AsyncQdrantClient

from cache_fabric.errors import BackendUnavailable, ConfigurationError
from cache_fabric.indexes._folder_lock import FolderInUse, FolderLock
from cache_fabric.indexes._vacuum import vacuum

__all__ = ["connect", "is_server", "sweep"]

_ON_SERVER = (
    "segments of Qdrant at {} keep deleted vectors until its optimizer rewrites them, by default "
    "when a fifth of 1,000 or more is deleted; its snapshots keep them until you delete these"
)


def is_server(location: str) -> bool:
    return location.startswith(("http://", "https://"))


def connect(
    location: str, api_key: str | None, timeout: float
) -> tuple[AsyncQdrantClient, Callable[[], None]]:
    """A client, and what gives back the place once the client is closed."""
    if is_server(location):
        # As a header: given as api_key it would warn of http:// to a server next door.
        headers = {} if api_key is None else {"api-key": api_key}
        client = AsyncQdrantClient(
            url=location,
            headers=headers,
            timeout=max(1, math.ceil(timeout)),
            check_compatibility=False,  # it would ask at construction, without a timeout
        )
        return client, lambda: None
    if location == ":memory:":
        return AsyncQdrantClient(":memory:"), lambda: None
    # The client locks the folder too, but does not say who holds it and leaks a file.
    lock = _claim(Path(location))
    try:
        return AsyncQdrantClient(path=location), lock.release
    except BaseException:
        lock.release()
        raise


def sweep(location: str) -> Sequence[str]:
    """Free the pages of what was deleted; returns what remains. Blocks."""
    if is_server(location):
        return (_ON_SERVER.format(location),)
    if location != ":memory:":
        for file in Path(location).glob("collection/*/storage.sqlite"):
            vacuum(file)
    return ()


def _claim(folder: Path) -> FolderLock:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return FolderLock(folder)
    except FolderInUse as error:
        raise BackendUnavailable(
            "qdrant",
            "open",
            f"{folder} is in use by process {error.pid}, and a folder serves one. Start a Qdrant "
            'server and use index="qdrant+http://host:6333", or give this process another path',
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"path: {folder} is not a folder and cannot be made one ({error.strerror})"
        ) from error
