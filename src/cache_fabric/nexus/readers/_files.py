"""Files below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cache_fabric.errors import ManifestError

__all__ = ["files_below"]

_MOST_FILES = 10_000
_MOST_SEEN = 100_000  # a home directory, say: nobody meant to publish it


def files_below(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files with one of these suffixes.

    Whatever begins with a dot is passed over; files may be links (a mounted ConfigMap is made of
    them), folders not.

    Raises:
        ManifestError: Far too many files, or a folder that cannot be looked into: what is in it is
            not gone.
    """
    seen = found = 0
    for place, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        seen += len(files) + len(folders)
        for name in sorted(files):
            if name.startswith(".") or not name.lower().endswith(suffixes):
                continue
            found += 1
            yield Path(place, name)
        if found > _MOST_FILES or seen > _MOST_SEEN:
            limits = f"{_MOST_FILES} prompts among {_MOST_SEEN} files"
            raise ManifestError(f"expected at most {limits}", file=str(folder))


def _refuse(error: OSError) -> None:
    raise ManifestError(f"cannot be read: {error.strerror}", file=error.filename) from error
