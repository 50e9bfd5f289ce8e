"""Tells when the file or the folder of a manifest changes, and goes on when its place is replaced.

Editors put a new file in place of the old one, so it is the folder that has to be watched; and what
the system watches is a folder, not a name: another one of that name, as a checkout makes it, has to
be watched anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from cache_fabric.errors import ManifestError, MissingExtraError

if TYPE_CHECKING:
    from watchfiles import Change

__all__ = ["file_changes"]

_LOOK = 1_000  # milliseconds until the folders are looked at again
_DATABASES = (".db", ".db-wal", ".db-shm", ".db-journal")


def file_changes(path: Path) -> AsyncGenerator[None]:
    """Yield after every change of a file, or below a folder; watches from its first step on.

    Raises:
        ManifestError: There is no such file or folder.
        MissingExtraError: watchfiles is not installed.
    """
    try:
        import watchfiles  # noqa: F401 - told before anything is compiled
    except ModuleNotFoundError as error:
        raise MissingExtraError("nexus", "watching a manifest") from error
    if not path.exists():
        raise ManifestError("cannot be read: no such file or folder", file=str(path))
    return _followed(path, path.is_dir())


async def _followed(path: Path, is_folder: bool) -> AsyncGenerator[None]:
    replaced = False
    while True:
        folders = _folders_of(path, is_folder)
        places, before = {str(folder.resolve()) for folder in folders}, _identities(folders)
        try:
            async with aclosing(
                _batches(places, _filter(path, places, is_folder), is_folder)
            ) as batches:
                async for changed in batches:
                    if changed or replaced:
                        replaced = False
                        yield
                    now = _identities(_folders_of(path, is_folder))  # a link may lead elsewhere
                    before = None if changed & places or now != before else before
                    if before is None and now is not None:
                        break
        except FileNotFoundError:  # it has gone before it could be watched
            await asyncio.sleep(_LOOK / 1e3)
        replaced = True


async def _batches(
    places: set[str], counts: Callable[[Change, str], bool], recursive: bool
) -> AsyncGenerator[set[str]]:
    """Yield what has changed together, and an empty set where nothing has for a while."""
    from watchfiles import awatch

    watch = awatch(
        *places,
        watch_filter=counts,
        recursive=recursive,
        rust_timeout=_LOOK,
        yield_on_timeout=True,
    )
    async with aclosing(watch) as batches:
        async for changes in batches:
            yield {place for _, place in changes}


def _folders_of(path: Path, is_folder: bool) -> set[Path]:
    return {path} if is_folder else {path.parent, path.resolve().parent}


def _identities(folders: set[Path]) -> set[tuple[int, int]] | None:
    """Return which folders these are, ``None`` while one of them is missing."""
    try:
        found = [folder.stat() for folder in folders]
    except OSError:
        return None
    return {(each.st_dev, each.st_ino) for each in found}


def _filter(path: Path, places: set[str], is_folder: bool) -> Callable[[Change, str], bool]:
    """Return which changed places count.

    A file that links elsewhere changes with what it links to, and with the links on the way:
    Kubernetes replaces the link to a hidden folder. Other files beside it may be the fabric's, and
    change at every compilation.
    """
    whole = path.resolve()
    names = {path.name, whole.name}

    def counts(_: Change, place: str) -> bool:
        if place in places or (Path(place).is_symlink() and Path(place).is_dir()):
            return True
        return not _is_hidden(Path(place), whole) if is_folder else Path(place).name in names

    return counts


def _is_hidden(place: Path, folder: Path) -> bool:
    """Return whether a place is none of the manifest's: a fabric's own files may lie below it."""
    if place.name.endswith(_DATABASES):
        return True
    with contextlib.suppress(ValueError):
        return any(part.startswith(".") for part in place.resolve().relative_to(folder).parts)
    return False
