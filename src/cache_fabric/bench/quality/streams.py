"""The evaluation data: which streams a folder has, their rows, and the scorer that lies with it."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from cache_fabric.errors import ConfigurationError

__all__ = ["Scorer", "Stream", "StreamFile", "find_pairs", "find_scorer", "find_streams"]

_PREFIX, _SUFFIX = "stream_", ".jsonl.gz"
_PAIRS = "pairs.jsonl.gz"


@dataclass(frozen=True, slots=True)
class Stream:
    """Requests in order, column by column.

    Attributes:
        texts: The user messages.
        scopes: Tenant of each request, ``None`` where the stream has none.
        answers: What the model says to each.
        rows: The rows as they were read, for the scorer.
    """

    name: str
    texts: Sequence[str]
    scopes: Sequence[str | None]
    answers: Sequence[str]
    rows: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, name: str, rows: Sequence[Mapping[str, Any]]) -> Stream:
        """Columns of rows with ``text``, ``class`` and perhaps ``scope``."""
        return cls(
            name,
            [row["text"] for row in rows],
            [row.get("scope") for row in rows],
            ["A:" + row["class"] for row in rows],
            rows,
        )

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class StreamFile:
    """A stream on disk and where its scorer is; small enough to be sent to another process."""

    name: str
    path: Path
    scorer: Scorer
    limit: int | None = None

    def read(self) -> Stream:
        """Return the stream, cut to ``limit`` requests."""
        rows = itertools.islice(self.scorer.rows(self.path), self.limit)
        return Stream.of(self.name, list(rows))


@dataclass(frozen=True, slots=True)
class Scorer:
    """The data's own ``score.py``, loaded by its path."""

    path: Path

    def rows(self, path: Path) -> Iterator[dict[str, Any]]:
        """Yield the rows of a file of the data."""
        rows: Iterator[dict[str, Any]] = _loaded(self.path).rows(str(path))
        return rows

    def stream(
        self, rows: Iterable[Mapping[str, Any]], decisions: Iterable[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return ``score.py``'s figures of one decision a row."""
        return self._score("stream", rows, decisions)

    def pairs(
        self, pairs: Iterable[Mapping[str, Any]], scores: Iterable[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return ``score.py``'s figures of one score a pair."""
        return self._score("pairs", pairs, scores)

    def _score(self, kind: str, *tables: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """The scorer reads files, so it gets files."""
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder, f"{number}.jsonl") for number in range(len(tables))]
            for path, table in zip(paths, tables, strict=True):
                path.write_bytes(b"\n".join(map(msgspec.json.encode, table)))
            found: dict[str, Any] = getattr(_loaded(self.path), kind)(*map(str, paths))
        return found


@functools.cache
def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("cache_fabric_evaluation_score", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def find_streams(
    folder: Path, names: Sequence[str] = (), limit: int | None = None
) -> list[StreamFile]:
    """Return the streams of a data folder, or those named, in the order of their names.

    Raises:
        ConfigurationError: No ``score.py``, no streams, or an unknown name; the message says which.
    """
    scorer = find_scorer(folder)
    found = {
        path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX): path
        for place in (folder, folder / "open")
        for path in sorted(place.glob(f"{_PREFIX}*{_SUFFIX}"))
    }
    if not found:
        raise ConfigurationError(f"data: {folder} has no {_PREFIX}*{_SUFFIX}")
    unknown = [name for name in names if name not in found]
    if unknown:
        raise ConfigurationError(f"streams: no {unknown[0]!r}, expected some of {', '.join(found)}")
    return [StreamFile(name, found[name], scorer, limit) for name in names or found]


def find_scorer(folder: Path) -> Scorer:
    """Return the ``score.py`` of a data folder or of the one above it."""
    for place in (folder, folder.absolute().parent):
        if (place / "score.py").is_file():
            return Scorer(place / "score.py")
    raise ConfigurationError(f"data: {folder} has no score.py, expected the evaluation data")


def find_pairs(folder: Path) -> Path:
    """Return the file of labelled pairs of a data folder."""
    for place in (folder, folder / "open"):
        if (place / _PAIRS).is_file():
            return place / _PAIRS
    raise ConfigurationError(f"data: {folder} has no {_PAIRS}")
