"""The process that owns an embedded server: it stops the server when its last user is gone.

Run as ``python -m cache_fabric.stores._embedded_keeper FOLDER SERVER``; that command ends when the
server answers (status 0) or did not start (status 1), and leaves the keeper behind. See
`_embedded_server` for who the users are.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

__all__ = ["keep"]

_START_POLL_SECONDS = 0.005
_POLL_SECONDS = 0.1


def keep(folder: str, program: str, ready: int) -> None:
    """Run the server until nobody holds the lock of its users.

    Args:
        folder: Where the server keeps its socket, its log and its data.
        program: The server's executable.
        ready: A descriptor that gets one byte when the server answers.
    """
    os.chdir(folder)
    server = _started(program)
    while server.poll() is None and not _answers():
        time.sleep(_START_POLL_SECONDS)
    if server.returncode is None:
        os.write(ready, b"1")
    os.close(ready)
    users = os.open("users", os.O_RDWR)
    while server.poll() is None:
        with suppress(BlockingIOError):
            # Kept until this process ends: who comes now waits for the old server to be gone.
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            server.terminate()
            server.wait()
        time.sleep(_POLL_SECONDS)


def _started(program: str) -> subprocess.Popen[bytes]:
    command = [
        program,
        *("--port", "0", "--unixsocket", "redis.sock", "--unixsocketperm", "700"),
        *("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"),
    ]
    with Path("server.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - the wheel's server or the machine's
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_end_with_parent
        )


def _end_with_parent() -> None:
    """Let Linux end this child when its parent is killed; elsewhere it is left running."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def _answers() -> bool:
    # Connecting is not enough: it takes connections before it has read its file, and may yet fail.
    with closing(socket.socket(socket.AF_UNIX)) as probe:
        if probe.connect_ex("redis.sock"):
            return False
        with suppress(ConnectionError):
            probe.sendall(b"PING\r\n")
            return probe.recv(16).startswith(b"+PONG")
        return False


def _main(folder: str, program: str) -> int:
    was_it_ready, ready = os.pipe()
    # A grandchild of the process that wanted it, so that one need not outlive it to reap it.
    if os.fork():
        os.close(ready)
        return 0 if os.read(was_it_ready, 1) else 1
    os.setsid()
    keep(folder, program, ready)
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
