"""Files of JSON lines: opened by path or taken as they are, written and counted in a thread."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeAlias

__all__ = ["Place", "Progress", "count_lines", "opened", "write_lines"]

Place: TypeAlias = str | Path | IO[Any]
"""A path, or an open file of text or bytes, which stays open."""
Progress: TypeAlias = Callable[[int, int], object]
"""Is told how many are done, of how many; of a stream nobody knows how many come."""


@contextmanager
def opened(place: Place, mode: str) -> Iterator[IO[Any]]:
    """Yield the file of a place; what was opened here is closed."""
    if isinstance(place, str | Path):
        with Path(place).open(mode) as file:
            yield file
    else:
        yield place


def write_lines(file: IO[Any], lines: Sequence[bytes]) -> None:
    """Write lines that end in a newline, as text or as bytes, whichever the file takes."""
    whole: Any = b"".join(lines)
    takes_text: object = file
    file.write(whole.decode() if isinstance(takes_text, io.TextIOBase) else whole)


def count_lines(place: Place) -> int:
    """Return how many lines a file has, 0 for a stream."""
    if not isinstance(place, str | Path):
        return 0
    with Path(place).open("rb") as file:
        return sum(1 for _ in file)
