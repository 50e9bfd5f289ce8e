"""GPTCache (0.1.44) over a stream: its own API, stores and threshold, our vectors."""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cache_fabric.embedders.base import Matrix

__all__ = ["gptcache_absent", "run_gptcache"]

_NEEDED = {"gptcache": "gptcache", "faiss": "faiss-cpu", "sqlalchemy": "sqlalchemy"}


def gptcache_absent() -> str | None:
    """Return what is not installed; GPTCache would fetch it from the registry during the run."""
    missing = [pip for name, pip in _NEEDED.items() if importlib.util.find_spec(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else None


def run_gptcache(
    texts: Sequence[str], vectors: Matrix, tick: Callable[[int], None] = lambda _: None
) -> list[dict[str, Any]]:
    """Return one decision a row, at GPTCache's default threshold and evaluation.

    SQLite and Faiss hold what was stored, without a bound. It knows no tenant, so all scopes share
    one cache. ``ms`` is the whole ``get`` without the embedding.
    """
    from gptcache import Cache
    from gptcache.adapter.api import get, put
    from gptcache.manager import manager_factory
    from gptcache.processor.pre import get_prompt
    from gptcache.similarity_evaluation.distance import SearchDistanceEvaluation

    row_of = {text: row for row, text in enumerate(texts)}
    decisions: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        manager = manager_factory(
            "sqlite,faiss",
            data_dir=folder,
            max_size=len(texts) + 1,
            vector_params={"dimension": vectors.shape[1]},
        )
        cache = Cache()
        cache.init(
            pre_embedding_func=get_prompt,
            embedding_func=lambda text, **_: vectors[row_of[text]],
            data_manager=manager,
            similarity_evaluation=SearchDistanceEvaluation(),
        )
        for row, text in enumerate(texts):
            started = time.perf_counter()
            found = get(text, cache_obj=cache)
            decision: dict[str, Any] = {"i": row, "ms": 1e3 * (time.perf_counter() - started)}
            decisions.append(decision | ({"hit": 0} if found is None else _served(found)))
            if found is None:
                put(text, str(row), cache_obj=cache)
            tick(1)
        manager.close()
        # GPTCache closes it once more when the process ends, and its folder is gone by then.
        manager.close = lambda: None
    return decisions


def _served(answer: str) -> dict[str, Any]:
    """The answer that was kept for a row is its number."""
    return {"hit": 1, "src": int(answer)}
