"""Compile a manifest again whenever its file or folder changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from os import PathLike
from pathlib import Path
from typing import Any

from cache_fabric.errors import BackendError, CacheFabricError, VersionConflict
from cache_fabric.fabric import CacheFabric
from cache_fabric.nexus._file_changes import file_changes
from cache_fabric.nexus.compile import Compilation, compile_manifest

__all__ = ["watch_manifest"]

_LONGEST_PAUSE = 30.0


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
    changes = file_changes(Path(path))
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
