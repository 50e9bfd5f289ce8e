"""The evaluation data, where it is at hand, and a tiny folder of the test's own in its place.

The data is no part of the repository: ``EVALUATION_DATA`` names its folder. (No name of ours, which
would be read as a setting of a fabric.) The tiny folder's scorer speaks as the real one does.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

__all__ = ["DATA", "ROWS", "needs_data", "write_data"]

DATA = Path(os.environ.get("EVALUATION_DATA", "evaluation-data"))
needs_data = pytest.mark.skipif(
    not (DATA / "score.py").is_file(),
    reason="the evaluation data is not here: set EVALUATION_DATA to its folder",
)

_SCORER = """
import gzip, json

def rows(path):
    op = gzip.open if path.endswith(".gz") else open
    with op(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]

def stream(stream_path, decisions_path, delta=None):
    asked, decided = rows(stream_path), rows(decisions_path)
    assert [a["i"] for a in asked] == [d["i"] for d in decided]
    right = wrong = exact = exact_right = 0
    curve = []
    for n, (a, d) in enumerate(zip(asked, decided), 1):
        ok = d["hit"] and asked[d["src"]]["class"] == a["class"]
        right, wrong = right + bool(ok), wrong + bool(d["hit"] and not ok)
        exact, exact_right = exact + (a["rep"] == 2), exact_right + bool(a["rep"] == 2 and ok)
        curve.append((n, (right + wrong) / n, wrong / n))
    n, hits = len(asked), right + wrong
    return dict(requests=n, hit_rate=hits / n, error_rate=wrong / n,
                max_running_error_after_1000=0.0, wrong_hit_share=wrong / hits if hits else 0.0,
                exact_recall=exact_right / exact if exact else None, paraphrase_recall=None,
                share_of_ceiling=0.0, curve=curve, ms_p50=decided[0]["ms"], ms_p99=0.0)

def pairs(pairs_path, scores_path):
    given = {row["id"]: row for row in rows(scores_path)}
    traps = {}
    for pair in rows(pairs_path):
        if not pair["same_answer"]:
            name = pair["source"] + "/" + pair["category"]
            let, count = traps.get(name, (0, 0))
            traps[name] = (let + given[pair["id"]]["hit"], count + 1)
    return dict(pr_auc=0.9, roc_auc=0.7,
                false_hit_rate={k: [let / n, n] for k, (let, n) in traps.items()})
"""
ROWS: Sequence[Mapping[str, Any]] = [
    {"text": "How do I return a shoe?", "class": "return", "rep": 0},
    {"text": "How do I return a shoe?", "class": "return", "rep": 2},
    {"text": "How can I return a shoe?", "class": "return", "rep": 1},
    {"text": "What is the capital of Peru?", "class": "peru", "rep": 0},
    {"text": "What is the capital of Peru?", "class": "peru", "rep": 2},
    {"text": "What is the capital of Chile?", "class": "chile", "rep": 0},
]


def write_data(
    folder: Path,
    streams: Mapping[str, Sequence[Mapping[str, Any]]],
    pairs: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write streams and pairs as the evaluation data has them; returns the folder."""
    (folder / "open").mkdir(parents=True)
    (folder / "score.py").write_text(_SCORER)
    for name, rows in streams.items():
        numbered = [{"i": i, **row} for i, row in enumerate(rows)]
        _write(folder / "open" / f"stream_{name}.jsonl.gz", numbered)
    if pairs:
        _write(folder / "open" / "pairs.jsonl.gz", pairs)
    return folder


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
