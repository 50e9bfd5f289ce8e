"""What ``tune`` learns from: judged decisions of a live cache, or labelled pairs of questions."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache_fabric.errors import ConfigurationError, ValidationError
from cache_fabric.guard import compare
from cache_fabric.policy.judged import Judged, load_judged
from cache_fabric.policy.reliability import Score

__all__ = ["Evidence", "read_evidence"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Judged decisions, and what a threshold may be put on.

    Attributes:
        kind: ``"live decisions"`` or ``"labelled pairs"``.
        requests: How many there were, with those that would never be served; ``None`` where the
            weights of the records say so.
    """

    kind: str
    records: Sequence[Judged]
    scores: tuple[Score, ...]
    requests: int | None = None


def read_evidence(file: Path, embedder: str) -> Evidence:
    """Read a ``.jsonl`` or ``.jsonl.gz`` file; the first line says which kind it is.

    A live decision is a `Judged` record. A pair is ``{"question", "candidate", "same_answer"}`` or
    ``{"text_a", "text_b", "same_answer"}`` and is judged by this embedder; one that the
    guard refuses counts as a request that is never served. Its similarity then stands in for the
    probability, as no policy has told one.

    Raises:
        ConfigurationError: The file cannot be read or holds nothing; it is named.
        ValidationError: A line that is neither; it is named.
    """
    lines = _lines(file)
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        raise ConfigurationError(f"{file}: expected at least one line")
    if "probability" in _row(1, first):
        return Evidence("live decisions", load_judged(lines), ("similarity", "probability"))
    pairs = [_pair(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    return Evidence("labelled pairs", _judged(pairs, embedder), ("similarity",), len(pairs))


def _lines(file: Path) -> list[str]:
    try:
        data = file.read_bytes()
        text = (gzip.decompress(data) if file.suffix == ".gz" else data).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read: {error}") from error
    return text.splitlines()


def _row(number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        raise ValidationError(f"line {number}", "invalid JSON") from None
    if not isinstance(row, dict):
        raise ValidationError(f"line {number}", "expected an object")
    return row


def _pair(number: int, line: str) -> tuple[str, str, bool]:
    row = _row(number, line)
    question = row.get("question", row.get("text_b"))
    candidate = row.get("candidate", row.get("text_a"))
    same = row.get("same_answer")
    if not isinstance(question, str) or not isinstance(candidate, str):
        raise ValidationError(
            f"line {number}", "expected question and candidate, or text_a and text_b, as text"
        )
    if same not in (0, 1):
        raise ValidationError(f"line {number}", "same_answer: expected 0, 1, false or true")
    return question, candidate, bool(same)


def _judged(pairs: Sequence[tuple[str, str, bool]], embedder: str) -> list[Judged]:
    from cache_fabric.bench.quality.vectors import embed_stream  # numpy, which few commands need

    texts = list(dict.fromkeys(itertools.chain.from_iterable(pair[:2] for pair in pairs)))
    vectors = embed_stream(embedder, texts)
    row = {text: number for number, text in enumerate(texts)}
    records = []
    for question, candidate, same in pairs:
        if not compare(question, candidate).allowed:
            continue
        similarity = float(vectors[row[question]] @ vectors[row[candidate]])
        told = min(1.0, max(0.0, similarity))
        records.append(Judged(probability=told, similarity=similarity, right=same))
    return records
