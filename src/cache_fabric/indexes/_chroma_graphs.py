"""What embedded Chroma 1.5.9 leaves in its folder of vectors that were deleted.

A deleted collection leaves the folder of its graph. The file of a graph has room for more vectors
than there are, and hnswlib writes memory there that it never set: whatever this process freed
before, deleted vectors among it. And SQLite keeps deleted rows in free pages. All of it is done
while Chroma is stopped.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import struct
from pathlib import Path

from cache_fabric.indexes._vacuum import vacuum

__all__ = ["blank", "sweep"]

_HEADER = struct.Struct("<i4Q")  # version, offset, room, vectors, bytes of each
_VERSION = 1


def sweep(folder: Path) -> None:
    """Remove all three from a folder; blocks."""
    file = folder / "chroma.sqlite3"
    graphs = _graphs(folder)  # first: one that is made later has its row already
    with contextlib.closing(sqlite3.connect(file)) as connection:
        used = {row[0] for row in connection.execute("SELECT id FROM segments")}
    for graph in graphs:
        if graph.name not in used:
            shutil.rmtree(graph)
    vacuum(file)
    blank(folder)


def blank(folder: Path) -> None:
    """Zero the room in the files of graphs that no vector has taken."""
    for graph in _graphs(folder):
        version, _, _, count, size = _HEADER.unpack_from((graph / "header.bin").read_bytes())
        if version != _VERSION:
            continue
        with (graph / "data_level0.bin").open("r+b") as file:
            end = file.seek(0, 2)
            start = file.seek(min(count * size, end))
            file.write(bytes(end - start))


def _graphs(folder: Path) -> list[Path]:
    return [header.parent for header in folder.glob("*/header.bin")]
