"""Trains the matcher's shipped weights: the same figures in the same order for the same data.

Each question of a stream is compared with the questions before it, all of which are kept, and each
neighbor is a label. The labels of all streams are shuffled into one another by their place and
learned by `Logistic` in one pass, as a cache would learn them, so the shipped weights are what a
cache knows that has seen these streams. Leaving one stream out shows what they are worth elsewhere.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cache_fabric.bench.own_pairs import own_pairs
from cache_fabric.indexes._block import Block
from cache_fabric.matcher.features import BUCKETS, TRAINED
from cache_fabric.matcher.logistic import Logistic
from cache_fabric.matcher.matcher import NEIGHBORS, Matcher
from cache_fabric.matcher.weights import Weights, made
from cache_fabric.types import CacheEntry, Candidate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["SOURCES", "Lessons", "lessons_of", "own_lessons", "train"]

SOURCES = ("stream_cls_clinc150_once", "stream_assistant_once")
"""CLINC150 (CC BY 3.0) and HWU64 (CC BY 4.0): the licences allow weights to be shipped."""

_VARIANCE = 0.5
_SPARSE_VARIANCE = 0.05
_LABEL_WEIGHT = 0.5
_HEAVIEST_STREAM = 3.0
_OWN_WEIGHT = 20.0  # they are few, and say what the streams do not
_SMALLEST_SCALE = 0.05
_MOST = 5.0
_FIRST_RATE = 0.3

Embed = Callable[[Sequence[str]], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """What a stream has to teach: one row for each neighbor of each question.

    Attributes:
        rows: Dense features as they are, shape (n, d).
        hashed: Sparse features of each.
        right: Whether the neighbor's answer was right, shape (n,).
        weight: How much each counts; by the length of the stream when not given.
    """

    rows: Floats
    hashed: list[list[int]]
    right: Floats
    weight: float | None = None


def lessons_of(path: Path, embed: Embed, tell: Callable[[int, int], None]) -> Lessons:
    """Go through a stream; ``tell`` hears how many of how many questions are done."""
    texts = list(_distinct(path))
    vectors = np.asarray(embed([row["text"] for row in texts]), np.float32)
    matcher = Matcher(_nothing(), clip=None)
    kept: dict[str, Block] = {}
    rows: list[Floats] = []
    hashed: list[list[int]] = []
    right: list[bool] = []
    for at, row in enumerate(texts):
        block = kept.setdefault(row.get("scope", ""), Block(vectors.shape[1]))
        near = block.search(vectors[at], NEIGHBORS)
        if near:
            others = [texts[int(neighbor.id)] for neighbor in near]
            candidates = [
                _candidate(other, neighbor.similarity)
                for other, neighbor in zip(others, near, strict=True)
            ]
            answers = [other["class"] for other in others]
            reading = matcher.read(row["text"], vectors[at], candidates, answers)
            labels = [answer == row["class"] for answer in answers[: len(reading.rows)]]
            matcher.see_rate(labels[0])
            rows.append(reading.rows[:, : len(TRAINED)])
            hashed += reading.hashed
            right += labels
        matcher.keep(row["text"], vectors[at], row["class"])
        block.put(str(at), vectors[at])
        tell(at + 1, len(texts))
    return Lessons(np.concatenate(rows), hashed, np.array(right, np.float64))


def own_lessons(embed: Embed) -> Lessons:
    """What our own pairs have to teach: each is a question with a lone neighbor."""
    pairs = list(own_pairs())
    kept = np.asarray(embed([one for one, _, _ in pairs]), np.float32)
    new = np.asarray(embed([other for _, other, _ in pairs]), np.float32)
    matcher = Matcher(_nothing(), clip=None)
    rows: list[Floats] = []
    hashed: list[list[int]] = []
    for at, (one, other, _) in enumerate(pairs):
        candidate = _candidate({"text": one}, float(kept[at] @ new[at]))
        reading = matcher.read(other, new[at], [candidate], [""])
        rows.append(reading.rows[:, : len(TRAINED)])
        hashed += reading.hashed
    right = np.array([same for *_, same in pairs], np.float64)
    return Lessons(np.concatenate(rows), hashed, right, _OWN_WEIGHT)


def train(streams: Sequence[Lessons], embedder: str) -> Weights:
    """Learn the lessons of all streams in one pass."""
    figures = np.concatenate([stream.rows for stream in streams])
    mean = figures.mean(axis=0)
    scale = np.maximum(figures.std(axis=0), _SMALLEST_SCALE)
    width = len(TRAINED) + 1
    model = Logistic(
        np.zeros(width),
        np.eye(width) * _VARIANCE,
        np.zeros(BUCKETS),
        np.full(BUCKETS, _SPARSE_VARIANCE),
    )
    longest = max(len(stream.right) for stream in streams)
    for which, at in _interleaved([len(stream.right) for stream in streams]):
        stream = streams[which]
        row = np.append(np.clip((stream.rows[at] - mean) / scale, -_MOST, _MOST), 1.0)
        weight = stream.weight or min(_HEAVIEST_STREAM, longest / len(stream.right))
        model.learn(row, float(stream.right[at]), _LABEL_WEIGHT * weight, stream.hashed[at])
    return made(
        embedder=embedder,
        mean=mean,
        scale=scale,
        dense=model.weights,
        sparse=model.sparse,
        base_rate=float(mean[TRAINED.index("base rate")]),
    )


def _interleaved(lengths: Sequence[int]) -> list[tuple[int, int]]:
    places = [
        (at / length, which, at) for which, length in enumerate(lengths) for at in range(length)
    ]
    return [(which, at) for _, which, at in sorted(places)]


def _distinct(path: Path) -> Iterator[dict[str, Any]]:
    seen = set()
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row: dict[str, Any] = json.loads(line)
            if (row.get("scope"), row["text"]) not in seen:
                seen.add((row.get("scope"), row["text"]))
                yield row


def _candidate(row: dict[str, Any], similarity: float) -> Candidate:
    entry = CacheEntry(
        id="",
        exact="",
        partition="",
        question=row["text"],
        payload=None,
        model="",
        created=0.0,
    )
    return Candidate(entry, similarity)


def _nothing() -> Weights:
    """Weights that leave every feature as it is."""
    return made(
        embedder="",
        mean=np.zeros(len(TRAINED)),
        scale=np.ones(len(TRAINED)),
        dense=np.zeros(len(TRAINED) + 1),
        sparse=np.zeros(BUCKETS),
        base_rate=_FIRST_RATE,
    )
