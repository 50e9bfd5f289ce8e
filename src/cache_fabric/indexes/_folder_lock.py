"""Exclusive use of a folder by one process, ended by the operating system if that one dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

__all__ = ["FolderInUse", "FolderLock"]

if sys.platform == "win32":
    import msvcrt

    # Locked bytes cannot be read by others, so the lock lies far behind the pid.
    _FAR = 1 << 20

    def _lock(descriptor: int) -> bool:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        # Closing alone would leave the lock to a forked child that inherited the descriptor.
        fcntl.flock(descriptor, fcntl.LOCK_UN)


class FolderInUse(Exception):
    """Another process holds the folder; ``pid`` is its number as text, or ``"unknown"``."""

    def __init__(self, folder: Path, pid: str) -> None:
        self.pid = pid
        super().__init__(f"{folder} is in use by process {pid}")


class FolderLock:
    """The lock of an existing folder, held from construction to `release`.

    Raises:
        FolderInUse: Another process, or another lock of this one, holds it.
        OSError: The folder cannot be written or its file system has no locks.
    """

    def __init__(self, folder: Path) -> None:
        # Appending never truncates: until the lock is ours, the pid in there is the owner's.
        self._file: IO[bytes] = (folder / ".cache_fabric.lock").open("a+b")
        try:
            if not _lock(self._file.fileno()):
                self._file.seek(0)
                raise FolderInUse(folder, self._file.read(20).decode("ascii") or "unknown")
            self._file.truncate(0)
            self._file.write(str(os.getpid()).encode("ascii"))
            self._file.flush()
        except BaseException:
            self._file.close()
            raise

    def release(self) -> None:
        self._file.truncate(0)
        _unlock(self._file.fileno())
        self._file.close()
