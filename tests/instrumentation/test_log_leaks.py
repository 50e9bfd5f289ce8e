"""No logger of ours says a prompt, an answer or a secret, at any level, whatever breaks."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cache_fabric
from cache_fabric import CacheFabric, CacheRequest, Threshold, Verified, create_cache_fabric
from cache_fabric.fault_place import place_of
from cache_fabric.indexes.base import VectorIndex
from cache_fabric.indexes.chroma import ChromaIndex
from cache_fabric.indexes.qdrant import QdrantIndex
from cache_fabric.instrumentation.events import Event
from cache_fabric.instrumentation.logs import JsonFormatter, log_events
from cache_fabric.instrumentation.otel import instrument
from cache_fabric.stores.memory import MemoryStore

CANARY = "CANARY"
FIRST, SECOND = "How do I return a CANARY item?", "How do I return 5 CANARY items?"


class Everything(logging.Handler):
    """Keeps all that the loggers of the package say, tracebacks and arguments too."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.setFormatter(JsonFormatter())
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record) + repr(record.args))


@pytest.fixture
def everything() -> Iterator[Everything]:
    handler, logger = Everything(), logging.getLogger("cache_fabric")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def request(text: str) -> CacheRequest:
    messages = [{"role": "system", "content": f"{CANARY}: be brief."}]
    messages.append({"role": "user", "content": text})
    params = {"api_key": f"{CANARY}-KEY", "metadata": {"user": CANARY}}
    return CacheRequest(model="m", messages=messages, params=params, user=f"{CANARY}-USER")


async def use(fabric: CacheFabric) -> None:
    """Ask, answer, track and judge; what fails for a caller is the caller's to see."""
    for text in (FIRST, FIRST, SECOND):
        answer = f"{CANARY}: {text}"
        await fabric.get_or_call(request(text), lambda answer=answer: answer)  # type: ignore[misc]
    fabric.track_soon("x1", "g", {"input": CANARY, "output": CANARY, "steps": [{"input": CANARY}]})
    fabric.track_soon("x2", "g", {"input": {CANARY: object()}})
    await fabric.flush()


class Leaky:
    """Parts that repeat in their errors what they were handed."""

    @staticmethod
    def hook(event: Event, content: Any = None) -> None:
        raise ValueError(f"{CANARY} {event} {content}")

    @staticmethod
    def listener(event: str, value: Any) -> None:
        raise ValueError(f"{CANARY} {value}")

    @staticmethod
    def same_answer(fresh: str, kept: str) -> bool:
        raise ValueError(f"{fresh} {kept}")

    @staticmethod
    def embed(texts: list[str]) -> list[list[float]]:
        raise ValueError(f"{texts}")


class LeakyPolicy(Threshold):
    def decide(self, asked: Any, candidates: Any, state: Any = None) -> Any:
        try:
            raise KeyError(asked.question)
        except KeyError as error:
            raise ValueError(f"{asked.question}") from error


class LeakyStore(MemoryStore):
    async def get_many(self, keys: Any) -> Any:
        raise OSError(CANARY)

    async def set_many(self, writes: Any) -> None:
        raise OSError(f"{writes}")


def broken(what: str) -> CacheFabric:
    parts: dict[str, dict[str, Any]] = {
        "policy": {"policy": LeakyPolicy(0.5)},
        "shadow": {"policy": Threshold(0.5), "shadow": LeakyPolicy(0.4)},
        "lesson": {"policy": Verified(same_answer=Leaky.same_answer)},
        "embedder": {"embedder": Leaky.embed},
        "store": {"store": LeakyStore("default")},
        "hook": {"hooks": [Leaky.hook]},
        "nothing": {},
    }
    return create_cache_fabric("memory", **parts[what])


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("policy", "lookup failed; the model call goes on: ValueError at test_log_leaks"),
        ("shadow", "the shadow policy failed: ValueError at test_log_leaks"),
        ("lesson", "a label was lost: ValueError at test_log_leaks"),
        ("embedder", "model calls go on without the embedder"),
        ("store", "model calls go on without the store: OSError"),
        ("hook", "an event hook failed: ValueError at test_log_leaks"),
        ("nothing", "a listener of 'changed' failed: ValueError at test_log_leaks"),
    ],
)
async def test_no_log_holds_what_was_said_whatever_breaks(
    everything: Everything, what: str, told: str
) -> None:
    fabric = broken(what)
    log_events(fabric, level=logging.DEBUG)
    instrument(fabric)
    fabric.add_hook(Leaky.hook, content=True)
    fabric.on("changed", Leaky.listener)
    await use(fabric)
    await fabric.set_context("k", f"{CANARY} text")
    await fabric.aclose()
    assert told in "".join(everything.said)
    assert [line for line in everything.said if CANARY in line] == []


def test_the_place_of_an_error_is_told_without_its_message_or_its_causes() -> None:
    def deep() -> None:
        raise KeyError(CANARY)

    try:
        try:
            deep()
        except KeyError as error:
            raise ValueError(CANARY) from error
    except ValueError as error:
        place = place_of(error)
    assert place.startswith("ValueError at test_log_leaks.py:")
    assert place.endswith("test_the_place_of_an_error_is_told_without_its_message_or_its_causes")
    assert place_of(ValueError(CANARY)) == "ValueError"


async def test_a_key_that_is_no_header_is_not_repeated() -> None:
    """The HTTP client quotes it; a key that was read from a file may end with a newline."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port, key = listening.getsockname()[1], f"{CANARY}\n"
        indexes: list[VectorIndex] = [
            QdrantIndex(f"http://127.0.0.1:{port}", collection="c", api_key=key),
            ChromaIndex.server("127.0.0.1", port, collection="c", headers={"token": key}),
        ]
        for index in indexes:
            with pytest.raises(ConnectionError) as caught:
                await index.open(embedder="e", dimension=3)
            assert "cannot be reached" in str(caught.value)
            assert CANARY not in str(caught.value)
            await index.aclose()


def test_no_log_call_writes_a_traceback_which_quotes_what_errors_say() -> None:
    """Use `place_of` instead."""
    written = re.compile(r"_log\.exception\(|exc_info\s*=|stack_info\s*=|traceback\.format")
    sources = Path(cache_fabric.__file__).parent.rglob("*.py")
    assert [path.name for path in sources if written.search(path.read_text())] == []
