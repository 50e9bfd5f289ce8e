"""What one has without us: the runs as JSON in a SQLite table, searched by ``LIKE``.

Time has an index, so that the newest are found without sorting, and feedback has a table of its
own. ``LIKE '%word%'`` finds parts of words too, and minds accents; it is what people write.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cache_fabric.bench.executions.runs import CONTEXT, Run

__all__ = ["PlainRuns"]

_PAGE = 50
_WHERE = {
    "graph": "json_extract(body, '$.graph') = :graph",
    "status": "json_extract(body, '$.state.status') = :status",
    "user": "json_extract(body, '$.user') = :user",
    "outcome": "json_extract(body, '$.state.cache.outcome') = :outcome",
    "tag": "EXISTS (SELECT 1 FROM json_each(body, '$.tags') WHERE value = :tag)",
    "context": f"json_extract(body, '$.state.contexts[0].key') = '{CONTEXT}'"
    " AND json_extract(body, '$.state.contexts[0].version') = :context",
    "since": "at >= :since",
    "until": "at < :until",
    "before": "at < :before",
    "min_cost": "json_extract(body, '$.state.cost') >= :min_cost",
    "max_cost": "json_extract(body, '$.state.cost') <= :max_cost",
    "max_score": "EXISTS (SELECT 1 FROM feedback f WHERE f.id = runs.id AND f.score <= :max_score)",
    "text": "body LIKE '%' || :text || '%'",
}


class PlainRun(NamedTuple):
    """A run as it was read."""

    execution_id: str
    at: float
    body: dict[str, Any]


class PlainRuns:
    """The table in a file of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(
            """
            PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;
            CREATE TABLE runs (id TEXT PRIMARY KEY, at REAL, body TEXT);
            CREATE INDEX runs_at ON runs (at);
            CREATE TABLE feedback (id TEXT PRIMARY KEY, score REAL) WITHOUT ROWID;
            """
        )

    def put(self, runs: Iterable[tuple[Run, float]]) -> None:
        """Write runs with their times in one transaction."""
        rows = [(run.execution_id, at, _body(run)) for run, at in runs]
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO runs VALUES (?, ?, ?)", rows)
        self._db.execute("COMMIT")

    def score(self, scores: Mapping[str, float]) -> None:
        """Write the score of each run's feedback."""
        self._db.executemany("INSERT INTO feedback VALUES (?, ?)", list(scores.items()))

    def find(self, filters: Mapping[str, Any]) -> Sequence[PlainRun]:
        """Return the newest that match, read."""
        asked = dict(filters)
        if "context" in asked:
            asked["context"] = int(asked["context"].rpartition("@")[2])
        where = " AND ".join(_WHERE[name] for name in asked) or "TRUE"
        sql = f"SELECT id, at, body FROM runs WHERE {where} ORDER BY at DESC LIMIT {_PAGE}"  # noqa: S608
        return [
            PlainRun(name, at, json.loads(body)) for name, at, body in self._db.execute(sql, asked)
        ]

    def close(self) -> None:
        """Close the file, with everything in it."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()


def _body(run: Run) -> str:
    return json.dumps(
        {"graph": run.graph_name, "user": run.user, "tags": run.tags, "state": run.state}
    )
