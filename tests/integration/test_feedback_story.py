"""A bad answer leaves service everywhere at once, and comes back: two processes on each store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import CacheRequest, FabricConfig, Hit, Miss, Threshold, create_cache_fabric
from cache_fabric.provenance import provenance
from cache_fabric.types import Usage
from servers import eventually, running

ASKED = "How do I return an item that I bought?"
TWIN = "How can I return an item that I bought?"
OTHER_TWIN = "How do I return an item which I bought?"
UNLIKE = "Which countries do you ship to?"
COST = (1_000 * 0.15 + 100 * 0.60) / 1e6  # dollars: gpt-4o-mini, by the packaged price table

OTHER_PROCESS = """
import json, sys
from integration.test_feedback_story import Shop

shop = Shop(sys.argv[1])
for line in sys.stdin:
    method, arguments = json.loads(line)
    print(json.dumps(getattr(shop, method)(*arguments)), flush=True)
shop.close()
"""


class Shop:
    """One process that answers customers, tracks each answer, and hears what they say of it."""

    def __init__(self, store: str) -> None:
        patient = FabricConfig(exact_timeout=30, semantic_timeout=30, open_timeout=30)
        self.fabric = create_cache_fabric(
            "memory", store=store, index="resident", policy=Threshold(), config=patient
        ).sync

    def ask(self, question: str, execution: str) -> dict[str, Any]:
        """Answer a question, from the cache or as the model would, as an execution."""
        result = self.fabric.lookup(_request(question))
        if isinstance(result, Miss):
            usage = Usage(input_tokens=1_000, output_tokens=100)
            self.fabric.store(result.ticket, f"{execution}: in 10 days.", usage=usage)
        state = {"input": question, "status": "success", "cache": provenance(result)}
        self.fabric.track_execution(execution, "shop", state)
        self.fabric.flush()
        return state["cache"]  # type: ignore[return-value]

    def peek(self, question: str) -> str | None:
        """Return the id of the entry that a customer would be served, without asking a model."""
        result = self.fabric.lookup(_request(question))
        if isinstance(result, Miss):
            self.fabric.release(result.ticket)
        return result.entry.id if isinstance(result, Hit) else None

    def rate(self, execution: str, rating: int) -> list[list[str]]:
        feedback = self.fabric.record_feedback(
            execution, {"user_rating": rating, "comment": "it was 30 days", "annotator_id": "ann"}
        )
        return [[effect.entry_id, effect.action] for effect in feedback.effects]

    def restore(self, entry_id: str) -> str:
        return self.fabric.restore_answer(entry_id, by="olga", why="it is 10 days").action

    def explained(self, entry_id: str) -> str:
        """Return all that is told of an answer as one text."""
        return str(self.fabric.explain(entry_id))

    def figures(self) -> dict[str, Any]:
        return self.fabric.get_metrics()

    def close(self) -> None:
        self.fabric.close()


def _request(question: str) -> CacheRequest:
    messages = [
        {"role": "system", "content": "You are a shop's support."},
        {"role": "user", "content": question},
    ]
    return CacheRequest(model="gpt-4o-mini", messages=messages)


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite://{tmp_path / 'shop.db'}"
        return
    with running(tmp_path) as server:
        yield server.url


@pytest.fixture
def here(store: str) -> Iterator[Shop]:
    shop = Shop(store)
    yield shop
    shop.close()


@pytest.fixture
def there(store: str) -> Iterator[Callable[..., Any]]:
    """Call a method of the shop in another process."""
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", OTHER_PROCESS, store]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=paths, text=True, **pipes) as process:

        def call(method: str, *arguments: Any) -> Any:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps([method, arguments]) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield call
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.mark.timeout(120)
def test_a_bad_answer_leaves_every_process_and_is_restored(
    here: Shop, there: Callable[..., Any]
) -> None:
    made = here.ask(ASKED, "one")
    assert made["outcome"] == "miss"
    entry_id = made["entry_id"]
    eventually(lambda: there("peek", TWIN) == entry_id, "the other process finds it by meaning")
    served = there("ask", TWIN, "two")
    assert (served["tier"], served["entry_id"]) == ("semantic", entry_id)
    assert here.peek(ASKED) == here.peek(TWIN) == here.peek(OTHER_TWIN) == entry_id
    here.ask(UNLIKE, "three")
    saved = there("figures")["cost_saved"]

    assert there("rate", "two", 1) == [[entry_id, "quarantined"]]
    assert there("peek", TWIN) is None
    eventually(lambda: here.peek(ASKED) is None, "the question is answered anew here")
    assert here.peek(TWIN) is None
    assert here.peek(OTHER_TWIN) is None
    assert here.peek(UNLIKE) is not None
    after = there("figures")
    assert after["cost_saved"] == pytest.approx(saved - COST)
    assert after["cost_reversed"] == pytest.approx(COST)

    fresh = here.ask(ASKED, "four")
    assert fresh["outcome"] == "miss"
    here.fabric.invalidate(entry=fresh["entry_id"])
    told = here.explained(entry_id)
    assert "quarantined" in told
    assert "it was 30 days" in told

    assert here.restore(entry_id) == "restored"
    assert here.peek(ASKED) == here.peek(TWIN) == entry_id
    eventually(lambda: there("peek", OTHER_TWIN) == entry_id, "it is served there again")
    assert there("rate", "two", 5) == [[entry_id, "confirmed"]]
    assert here.figures()["cost_reversed"] + there("figures")["cost_reversed"] == pytest.approx(0)


@pytest.mark.timeout(120)
def test_a_fresh_answer_to_the_served_question_is_not_given_to_the_twin(
    here: Shop, there: Callable[..., Any]
) -> None:
    entry_id = here.ask(ASKED, "one")["entry_id"]
    eventually(lambda: there("peek", TWIN) == entry_id, "the other process finds it by meaning")
    there("ask", TWIN, "two")
    there("rate", "two", 1)
    eventually(lambda: here.peek(ASKED) is None, "the question is answered anew here")
    fresh = here.ask(ASKED, "three")["entry_id"]
    eventually(lambda: there("peek", ASKED) == fresh, "the other process has the fresh answer")
    assert there("peek", TWIN) is None
    assert here.peek(TWIN) is None
