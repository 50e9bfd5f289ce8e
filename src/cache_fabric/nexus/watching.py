"""Compile a manifest again whenever its file or folder changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cache_fabric.errors import (
    BackendError,
    CacheFabricError,
    ManifestError,
    MissingExtraError,
    VersionConflict,
)
from cache_fabric.fabric import CacheFabric
from cache_fabric.nexus.compile import Compilation, compile_manifest

if TYPE_CHECKING:
    from watchfiles import Change

__all__ = ["watch_manifest"]

_LONGEST_PAUSE = 30.0
_DATABASES = (".db", ".db-wal", ".db-shm", ".db-journal")


async def watch_manifest(
    path: str | PathLike[str], fabric: CacheFabric, **options: Any
) -> AsyncGenerator[Compilation | CacheFabricError]:
    """Compile now and after every change, and yield what each time came to; without end.

    What cannot be compiled publishes nothing: its error is yielded, and the next change tried. A
    store that fails is tried again without one.

    Args:
        path: Of a file, or of a folder with all below it but what is hidden.
        fabric: Whose contexts are written.
        options: As of `compile_manifest`.

    Raises:
        ManifestError: There is no such file or folder.
        MissingExtraError: watchfiles is not installed.
    """
    changes = _watched(Path(path))
    pending = asyncio.ensure_future(anext(changes))
    try:
        # One turn, in which the watch begins: a change between reading and watching would be lost.
        await asyncio.sleep(0)
        failures = 0
        while True:
            outcome = await _compiled(path, fabric, options)
            yield outcome
            is_passing = isinstance(outcome, BackendError | VersionConflict)
            failures = failures + 1 if is_passing else 0
            pause = min(2.0**failures, _LONGEST_PAUSE) if is_passing else None
            done, _ = await asyncio.wait({pending}, timeout=pause)
            if done:
                pending.result()
                pending = asyncio.ensure_future(anext(changes))
    finally:
        pending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pending
        await changes.aclose()


async def _compiled(
    path: str | PathLike[str], fabric: CacheFabric, options: dict[str, Any]
) -> Compilation | CacheFabricError:
    try:
        return await compile_manifest(path, fabric, **options)
    except CacheFabricError as error:
        return error


def _watched(path: Path) -> AsyncGenerator[object]:
    try:
        from watchfiles import awatch
    except ModuleNotFoundError as error:
        raise MissingExtraError("nexus", "watching a manifest") from error
    if not path.exists():
        raise ManifestError("cannot be read: no such file or folder", file=str(path))
    # Editors put a new file in place of the old one, so it is its folder that has to be watched.
    folders = {path} if path.is_dir() else {path.parent, path.resolve().parent}
    return awatch(*folders, watch_filter=_filter(path), recursive=path.is_dir())


def _filter(path: Path) -> Callable[[Change, str], bool]:
    """Return which changed places count.

    A file that links elsewhere changes with what it links to, and with the links on the way:
    Kubernetes replaces the link to a hidden folder. Other files beside it may be the fabric's, and
    change at every compilation.
    """
    whole = path.resolve()
    if path.is_dir():
        return lambda _, place: _is_link_to_folder(place) or not _is_hidden(Path(place), whole)
    names = {path.name, whole.name}
    return lambda _, place: _is_link_to_folder(place) or Path(place).name in names


def _is_link_to_folder(place: str) -> bool:
    return Path(place).is_symlink() and Path(place).is_dir()


def _is_hidden(place: Path, folder: Path) -> bool:
    """Return whether a place is none of the manifest's: a fabric's own files may lie below it."""
    if place.name.endswith(_DATABASES):
        return True
    with contextlib.suppress(ValueError):
        return any(part.startswith(".") for part in place.resolve().relative_to(folder).parts)
    return False
