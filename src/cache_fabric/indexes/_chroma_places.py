"""Where a Chroma collection can live: in a folder of this process, or on a server.

Both are opened as a `System` of their own. The client objects of chromadb 1.5.9 share systems
by path behind the scenes, keep one that failed to start, and give a server connection no timeout.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from chromadb.api import ServerAPI
from chromadb.api.fastapi import FastAPI
from chromadb.api.rust import RustBindingsAPI
from chromadb.config import Settings, System
from chromadb.errors import ChromaError

from cache_fabric.errors import BackendError, BackendUnavailable, ConfigurationError
from cache_fabric.indexes._chroma_graphs import blank, sweep
from cache_fabric.indexes._folder_lock import FolderInUse, FolderLock

__all__ = ["ChromaFolder", "ChromaPlace", "ChromaServer"]


class ChromaPlace(Protocol):
    """Something that a Chroma API can be had from; all methods block."""

    name: str

    def connect(self) -> ServerAPI: ...

    def disconnect(self) -> None: ...

    def sweep(self) -> Sequence[str]:
        """Remove what Chroma leaves of collections that are deleted; returns what remains."""


@dataclass(slots=True, eq=False)
class _OpenFolder:
    lock: FolderLock
    system: System
    users: int = 0


# Chroma searches an in-memory view of its files that only its own writes refresh. So the indexes
# of a process share one system a folder, as processes must not share a folder at all. The process
# id is in the key because a forked child inherits the table but not the right to use it.
_open_folders: dict[tuple[int, Path], _OpenFolder] = {}
_open_folders_guard = threading.Lock()


class ChromaFolder:
    """Chroma embedded in this process, on a folder that no other process may have open."""

    name = "chroma"

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._key: tuple[int, Path] | None = None

    def connect(self) -> ServerAPI:
        try:
            self._path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"path: {self._path} is not a folder and cannot be made one ({error.strerror})"
            ) from error
        key = (os.getpid(), self._path.resolve())
        with _open_folders_guard:
            folder = _open_folders.get(key)
            if folder is None:
                folder = _open_folders[key] = self._claim(key[1])
            folder.users += 1
            self._key = key
            return folder.system.instance(RustBindingsAPI)

    def disconnect(self) -> None:
        if self._key is None:
            return
        with _open_folders_guard:
            folder = _open_folders[self._key]
            folder.users -= 1
            if folder.users == 0:
                del _open_folders[self._key]
                try:
                    folder.system.stop()
                    with contextlib.suppress(OSError, struct.error):  # for the next sweep
                        blank(self._key[1])
                finally:
                    folder.lock.release()
        self._key = None

    def sweep(self) -> Sequence[str]:
        assert self._key is not None
        with _open_folders_guard:
            folder = _open_folders[self._key]
            if folder.users > 1:
                return (_SHARED.format(self._path),)
            # Its SQLite library is not Python's, and must not use the file at the same time.
            folder.system.stop()
            try:
                sweep(self._key[1])
            finally:
                folder.system.start()
        return (_UNSET.format(self._path),)

    def _claim(self, path: Path) -> _OpenFolder:
        try:
            lock = FolderLock(path)
        except FolderInUse as error:
            raise BackendUnavailable(
                self.name,
                "open",
                f"{path} is in use by process {error.pid}, and embedded Chroma does not see what "
                "another process writes. Start a Chroma server and use "
                'index="chroma+http://host:port", or give this process another path',
            ) from error
        except OSError as error:
            raise ConfigurationError(
                f"path: {path} cannot be locked for this process ({error.strerror})"
            ) from error
        try:
            return _OpenFolder(lock, self._start(path))
        except BaseException:
            lock.release()
            raise

    def _start(self, path: Path) -> System:
        system = System(_settings(is_persistent=True, persist_directory=str(path)))
        system.instance(RustBindingsAPI)
        try:
            system.start()
        except ChromaError as error:
            raise BackendError(
                self.name,
                "open",
                f"{path} cannot be read ({error}). An index can always be made again: delete "
                "chroma.sqlite3 in this folder, and it starts empty and is filled again",
            ) from error
        return system


_SHARED = (
    "{} is open twice in this process: what Chroma keeps of deleted vectors there stays until one "
    "of the two fabrics is closed and this is done again"
)
_UNSET = (
    "whenever Chroma makes or saves a graph in {} it writes memory of this process that it never "
    "set, in which a deleted vector may be; it is overwritten when this fabric is closed"
)
_ON_SERVER = (
    "the graphs, the queue and the free pages of the Chroma server at {} keep deleted vectors; "
    "`chroma vacuum` frees the last two, and graphs are kept for as long as its folder"
)


class ChromaServer:
    """A Chroma server (``chroma run``), which any number of processes may share.

    Args:
        host: Name or address, without a scheme.
        port: Its HTTP port.
        ssl: Whether to speak TLS.
        headers: Sent with each request, for a server behind authentication.
        timeout: Seconds that one request may take.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        ssl: bool = False,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
    ) -> None:
        self.name = f"chroma+{'https' if ssl else 'http'}://{host}:{port}"
        self._timeout = timeout
        self._settings = _settings(
            chroma_api_impl="chromadb.api.fastapi.FastAPI",
            chroma_server_host=host,
            chroma_server_http_port=port,
            chroma_server_ssl_enabled=ssl,
            chroma_server_headers=dict(headers or {}),
        )
        self._api: FastAPI | None = None

    def connect(self) -> ServerAPI:
        api = self._api = System(self._settings).instance(FastAPI)
        # Chroma 1.5.9 waits for ever and has no setting for it.
        api._session.timeout = self._timeout
        return api

    def disconnect(self) -> None:
        if self._api is not None:
            self._api._session.close()
            self._api = None

    def sweep(self) -> Sequence[str]:
        return (_ON_SERVER.format(self.name.partition("://")[2]),)


def _settings(**options: Any) -> Settings:
    # Left alone, Chroma takes the application's own .env file for its settings.
    options["_env_file"] = None
    return Settings(**options, anonymized_telemetry=False)
