"""Cached embeddings give their model's vectors, to the last bit, and ask it as little as can be."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_openai import OpenAIEmbeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests
from pydantic import BaseModel, SecretStr

from cache_fabric import CacheFabric, create_cache_fabric
from cache_fabric.embedders.langchain import LangChainEmbedder
from cache_fabric.errors import BackendUnavailable, ConfigurationError, ValidationError
from cache_fabric.instrumentation.events import Event, LookupEvent
from cache_fabric.langchain import cached_embeddings
from cache_fabric.langchain._identity import identity_of
from cache_fabric.langchain._vectors import as_floats, pack_vector, read_vector
from cache_fabric.langchain.embeddings import FabricEmbeddings
from cache_fabric.stores.memory import MemoryStore

Pair = tuple[CacheFabric, CacheFabric]


class CountingEmbeddings(BaseModel, Embeddings):
    """Notes the texts of each call; queries and documents get other vectors."""

    model: str = "fake-1"
    dimensions: int | None = None
    api_key: SecretStr = SecretStr("")

    _asked: list[list[str]] = []
    _queries: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self._asked.append(texts)
        return [vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self._queries.append(text)
        return [-part for part in vector(text)]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        asyncio.get_running_loop()
        return self.embed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        asyncio.get_running_loop()
        return self.embed_query(text)


def vector(text: str) -> list[float]:
    return [len(text) / 3, 0.1, -0.0, 1e-300]


class Saying(CountingEmbeddings):
    """Gives answers that were set, whatever it is asked."""

    _answers: list[Any] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self._asked.append(texts)
        answer: list[list[float]] = self._answers.pop(0)
        return answer

    def embed_query(self, text: str) -> list[float]:
        self._queries.append(text)
        answer: list[float] = self._answers.pop(0)
        return answer


@pytest.fixture
def model() -> CountingEmbeddings:
    return CountingEmbeddings()


# What a call returns and what the model is asked


def test_the_vectors_are_the_models_own(fabric: CacheFabric, model: CountingEmbeddings) -> None:
    cached = cached_embeddings(model, fabric)
    texts = ["a", "bb", "ccc"]
    for _ in range(2):
        assert cached.embed_documents(texts) == [vector(text) for text in texts]
        assert cached.embed_query("a") == [-part for part in vector("a")]
    fabric.sync.flush()
    assert cached.embed_documents(texts) == [vector(text) for text in texts]
    assert model._asked == [texts]
    assert model._queries == ["a"]


async def test_they_are_the_same_in_a_loop(afabric: CacheFabric, model: CountingEmbeddings) -> None:
    cached = cached_embeddings(model, afabric)
    for _ in range(2):
        assert await cached.aembed_documents(["a", "bb"]) == [vector("a"), vector("bb")]
        assert await cached.aembed_query("a") == [-part for part in vector("a")]
    assert model._asked == [["a", "bb"]]
    assert model._queries == ["a"]


def test_only_distinct_missing_texts_are_asked_for_in_one_call(
    exact: CacheFabric, model: CountingEmbeddings
) -> None:
    cached = cached_embeddings(model, exact)
    cached.embed_documents(["b", "dddd"])
    texts = ["ccc", "b", "a", "ccc", "a", "dddd", "b"]
    assert cached.embed_documents(texts) == [vector(text) for text in texts]
    assert model._asked == [["b", "dddd"], ["ccc", "a"]]


async def test_only_distinct_missing_texts_are_asked_for_in_a_loop(
    exact: CacheFabric, model: CountingEmbeddings
) -> None:
    cached = cached_embeddings(model, exact)
    await cached.aembed_documents(["b"])
    texts = ["ccc", "b", "a", "ccc"]
    assert await cached.aembed_documents(texts) == [vector(text) for text in texts]
    assert model._asked == [["b"], ["ccc", "a"]]


def test_no_texts_ask_nobody(exact: CacheFabric, model: CountingEmbeddings) -> None:
    assert cached_embeddings(model, exact).embed_documents([]) == []
    assert model._asked == []


def test_queries_and_documents_are_kept_apart(
    exact: CacheFabric, model: CountingEmbeddings
) -> None:
    cached = cached_embeddings(model, exact)
    cached.embed_documents(["a"])
    assert cached.embed_query("a") == [-part for part in vector("a")]
    assert cached.embed_documents(["a"]) == [vector("a")]


def test_texts_are_compared_byte_for_byte(exact: CacheFabric, model: CountingEmbeddings) -> None:
    cached = cached_embeddings(model, exact)
    texts = ["a", "a ", "A", "\u00e9", "e\u0301", "", "\ud800"]
    cached.embed_documents(texts)
    cached.embed_documents(texts)
    assert model._asked == [texts, ["\ud800"]]  # which no store can name


def test_what_a_caller_changes_changes_nothing_else(
    exact: CacheFabric, model: CountingEmbeddings
) -> None:
    cached = cached_embeddings(model, exact)
    for _ in range(2):
        one, two = cached.embed_documents(["a", "a"])
        one.clear()
        assert two == vector("a")


# Sharing


def test_two_processes_share_their_vectors(pair: Pair) -> None:
    models = CountingEmbeddings(), CountingEmbeddings(api_key=SecretStr("another key"))
    one, two = [cached_embeddings(m, f) for m, f in zip(models, pair, strict=True)]
    one.embed_documents(["a", "bb"])
    one.embed_query("a")
    pair[0].sync.flush()
    assert two.embed_documents(["bb", "ccc", "a"]) == [vector(t) for t in ("bb", "ccc", "a")]
    assert two.embed_query("a") == [-part for part in vector("a")]
    assert models[1]._asked == [["ccc"]]
    assert models[1]._queries == []


def test_models_that_differ_share_nothing(exact: CacheFabric) -> None:
    class Derived(CountingEmbeddings):
        pass

    models = [
        CountingEmbeddings(),
        CountingEmbeddings(model="fake-2"),
        CountingEmbeddings(dimensions=256),
        Derived(),
    ]
    for number, model in enumerate(models):
        name = "derived" if number == 3 else None
        cached_embeddings(model, exact, name=name).embed_documents(["a"])
        assert model._asked == [["a"]]


def test_a_model_that_is_changed_is_another_one(
    exact: CacheFabric, model: CountingEmbeddings
) -> None:
    cached = cached_embeddings(model, exact)
    for name in ("fake-1", "fake-2", "fake-1"):
        model.model = name
        cached.embed_documents(["a"])
    assert len(model._asked) == 2


def test_a_name_keeps_models_apart(exact: CacheFabric) -> None:
    asked = []
    for name in ("v1", "v2", "v1"):
        model = CountingEmbeddings()
        cached_embeddings(model, exact, name=name).embed_documents(["a"])
        asked.append(len(model._asked))
    assert asked == [1, 1, 0]


def test_a_vector_lasts_as_long_as_asked(model: CountingEmbeddings) -> None:
    now = 1000.0
    store = MemoryStore("n", clock=lambda: now)
    fabric = create_cache_fabric("memory", store=store)
    cached = cached_embeddings(model, fabric, ttl=60)
    cached.embed_query("a")
    fabric.sync.flush()
    now += 59
    cached.embed_query("a")
    now += 2
    cached.embed_query("a")
    assert model._queries == ["a", "a"]
    fabric.sync.close()


# Identity


def openai(**settings: Any) -> OpenAIEmbeddings:
    return OpenAIEmbeddings(
        **{"model": "m", "api_key": "sk-1", "base_url": "http://localhost/v1", **settings}
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "other"},
        {"dimensions": 256},
        {"base_url": "http://localhost/v2"},
        {"model_kwargs": {"input_type": "query"}},
        {"default_headers": {"x-route": "blue"}},
    ],
)
def test_what_changes_the_vectors_is_in_the_identity(changed: dict[str, Any]) -> None:
    assert identity_of(openai(**changed), "e", None) != identity_of(openai(), "e", None)


@pytest.mark.parametrize(
    "changed",
    [
        {"api_key": "sk-2"},
        {"default_headers": {"Authorization": "Bearer b"}},
        {"timeout": 3},
        {"max_retries": 9},
        {"metadata": None},
    ],
)
def test_secrets_and_transport_are_not_in_the_identity(changed: dict[str, Any]) -> None:
    same = openai(default_headers={"Authorization": "Bearer a"})
    changed.pop("metadata", None)
    other = openai(**{"default_headers": {"authorization": "Bearer c"}, **changed})
    assert identity_of(other, "e", None) == identity_of(same, "e", None)
    assert "Bearer" not in repr(identity_of(same, "e", None))
    assert "sk-" not in repr(identity_of(same, "e", None))


def test_a_secret_under_any_name_is_not_in_the_identity() -> None:
    class Sealed(CountingEmbeddings):
        seal: SecretStr

    one, two = [identity_of(Sealed(seal=SecretStr(text)), "e", "sealed") for text in "ab"]
    assert one == two
    assert "seal'" not in repr(one)


def test_how_texts_are_batched_is_not_in_the_identity(exact: CacheFabric) -> None:
    calls: list[str] = []

    class Paced(CountingEmbeddings):
        chunk_size: int = 1

        def embed_query(self, text: str) -> list[float]:
            calls.append(text)
            return vector(text)

    for size in (1, 500):
        cached_embeddings(Paced(chunk_size=size), exact, name="paced").embed_query("a")
    assert calls == ["a"]


def test_an_identity_is_the_same_in_every_process() -> None:
    program = (
        "from cache_fabric.keys import canonical\n"
        "from cache_fabric.langchain._identity import identity_of\n"
        "thing = {'model': 'm', 'special': {'a', 'b', 'c'}, 'call': print}\n"
        "print(canonical(identity_of(thing, 'e', 'mine')).hex())\n"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(said) == 1


class Plain(Embeddings):
    """Declares no fields."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return vector(text)


class Holding(CountingEmbeddings):
    settings: dict[str, Any] = {}


def test_a_fabric_that_embeds_with_them_tells_their_models_apart(exact: CacheFabric) -> None:
    models = CountingEmbeddings(), CountingEmbeddings(model="fake-2"), CountingEmbeddings()
    one, two, three = [LangChainEmbedder(cached_embeddings(m, exact)).identity for m in models]
    assert one == three != two
    with pytest.raises(AttributeError, match="unknown"):
        cached_embeddings(models[0], exact).unknown  # type: ignore[attr-defined]  # noqa: B018


@dataclasses.dataclass
class Declared(Plain):
    size: int = 3
    scale: float = np.float64(2.0)


def test_an_unreadable_identity_asks_for_a_name(exact: CacheFabric) -> None:
    class Local(CountingEmbeddings):
        pass

    holding = Holding(settings={"pool": ["mean", lambda: 3]})
    looped: dict[str, Any] = {}
    looped["self"] = looped
    for model, place in (
        (Plain(), r"Plain \(Plain\)"),
        (Local(), r"Local \(its class has no module"),
        (holding, r"Holding.settings.pool\[1\] \(function\)"),
        (Holding(settings={"x": float("nan")}), r"Holding.settings.x \(float\)"),
        (Holding(settings={"x": looped}), r"\.self \(dict\)"),
    ):
        with pytest.raises(ConfigurationError, match=rf"^embeddings: .*{place}.*pass name="):
            cached_embeddings(model, exact)
        cached_embeddings(model, exact, name="mine")


def test_a_name_stands_only_for_what_cannot_be_read(exact: CacheFabric) -> None:
    def named(pool: str) -> dict[str, Any]:
        holding = Holding(settings={"pool": pool, "call": lambda: 3})
        return identity_of(holding, "e", "mine")

    assert named("mean") == named("mean")
    assert named("mean") != named("max")
    assert " at 0x" not in repr(named("mean"))


def test_a_dataclass_declares_its_fields() -> None:
    assert identity_of(Declared(), "e", None) == identity_of(Declared(scale=2.0), "e", None)
    assert identity_of(Declared(), "e", None) != identity_of(Declared(size=4), "e", None)


@pytest.mark.parametrize(
    ("bad", "field"),
    [({"name": ""}, "name"), ({"name": 3}, "name"), ({"ttl": -1}, "ttl"), ({"ttl": "1"}, "ttl")],
)
def test_arguments_that_are_not_usable_are_named(
    exact: CacheFabric, model: CountingEmbeddings, bad: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError, match=field):
        cached_embeddings(model, exact, **bad)
    with pytest.raises(ValidationError, match="embeddings: expected LangChain Embeddings"):
        cached_embeddings("model", exact)  # type: ignore[arg-type]


# Answers that are not for the cache


@pytest.mark.parametrize(
    "answer",
    [
        [[1.0]],
        [[1.0], [2.0], [3.0]],
        [[1.0], [2.0, 3.0]],
        [[1.0], []],
        [[1.0], None],
        [[1.0], [float("inf")]],
        [[1, 2], [3, 4]],
        None,
        "ab",
    ],
)
def test_an_answer_that_does_not_fit_is_the_callers_and_is_not_kept(
    exact: CacheFabric, events: list[Event], answer: Any
) -> None:
    model = Saying()
    model._answers = [answer, answer]
    cached = cached_embeddings(model, exact)
    for _ in range(2):
        assert cached.embed_documents(["a", "b"]) == answer
    assert model._asked == [["a", "b"]] * 2
    assert [e.outcome for e in events if isinstance(e, LookupEvent)] == ["bypass"] * 2


@pytest.mark.parametrize("answer", [[], None, [1, 2], [float("nan")], "ab"])
def test_a_query_vector_that_is_none_is_not_kept(exact: CacheFabric, answer: Any) -> None:
    model = Saying()
    model._answers = [answer, answer]
    cached = cached_embeddings(model, exact)
    for _ in range(2):
        assert cached.embed_query("a") is answer


def test_an_answer_that_does_not_fit_is_asked_for_as_if_there_were_no_cache(
    exact: CacheFabric,
) -> None:
    model = Saying()
    model._answers = [[[1.0]], [[2.0], [3.0]], [[1.0], [2.0], [3.0], [1.0]]]
    cached = cached_embeddings(model, exact)
    cached.embed_documents(["a"])
    texts = ["a", "b", "b", "a"]
    assert cached.embed_documents(texts) == [[1.0], [2.0], [3.0], [1.0]]
    assert model._asked == [["a"], ["b"], texts]


async def test_it_is_so_in_a_loop(exact: CacheFabric) -> None:
    model = Saying()
    model._answers = [[[1.0]], [], [[1.0], [2.0]], [[5.0], []]]
    cached = cached_embeddings(model, exact)
    await cached.aembed_documents(["a"])
    assert await cached.aembed_documents(["a", "b"]) == [[1.0], [2.0]]
    assert await cached.aembed_documents(["c", "d"]) == [[5.0], []]


def test_vectors_of_two_models_are_never_mixed(exact: CacheFabric) -> None:
    model = Saying()
    model._answers = [
        *([[1.0]], [[2.0, 2.0]]),  # the model behind the same settings changed
        [[1.0, 1.0], [2.0, 2.0]],
        *([[3.0]], [[1.0, 1.0], [3.0, 3.0]]),
    ]
    cached = cached_embeddings(model, exact)
    cached.embed_documents(["a"])
    cached.embed_documents(["b"])
    assert cached.embed_documents(["a", "b"]) == [[1.0, 1.0], [2.0, 2.0]]
    assert cached.embed_documents(["a", "c"]) == [[1.0, 1.0], [3.0, 3.0]]


def test_rows_of_numpy_are_vectors(exact: CacheFabric) -> None:
    model = Saying()
    model._answers = [np.array([[0.1, 2.0], [0.3, 4.0]], dtype=np.float32)]
    cached = cached_embeddings(model, exact)
    one = cached.embed_documents(["a", "b"])
    assert cached.embed_documents(["a", "b"]) == one
    assert one[0] == [float(np.float32(0.1)), 2.0]


# Faults


class RaisingStore(MemoryStore):
    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        raise BackendUnavailable("memory", "get_many", "is away")

    async def set_many(self, writes: Any) -> None:
        raise BackendUnavailable("memory", "set_many", "is away")


class HangingStore(MemoryStore):
    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        await asyncio.Event().wait()
        return []


@pytest.mark.parametrize("store", [RaisingStore, HangingStore])
def test_a_store_that_raises_or_hangs_is_a_counted_miss(
    model: CountingEmbeddings, store: type[MemoryStore]
) -> None:
    fabric = create_cache_fabric("memory", store=store("n"))
    cached = cached_embeddings(model, fabric)
    assert cached.embed_documents(["a", "bb"]) == [vector("a"), vector("bb")]
    assert cached.embed_query("a") == [-part for part in vector("a")]
    assert fabric.sync.get_metrics()["values"]["embeddings.degraded"] == 3
    fabric.sync.close()


def test_a_hanging_store_delays_a_call_by_less_than_a_tenth_of_a_second(
    model: CountingEmbeddings,
) -> None:
    fabric = create_cache_fabric("memory", store=HangingStore("n"))
    cached = cached_embeddings(model, fabric)
    delays = []
    for number in range(4):  # a machine may be busy; after five the store is left alone
        started = time.monotonic()
        cached.embed_documents([f"{number} {text}" for text in range(300)])
        delays.append(time.monotonic() - started)
    assert min(delays) < 0.1
    fabric.sync.close()


async def test_a_store_that_raises_is_a_counted_miss_in_a_loop(model: CountingEmbeddings) -> None:
    async with create_cache_fabric("memory", store=RaisingStore("n")) as fabric:
        cached = cached_embeddings(model, fabric)
        assert await cached.aembed_documents(["a"]) == [vector("a")]
        assert await cached.aembed_query("a") == [-part for part in vector("a")]
        assert (await fabric.get_metrics())["values"]["embeddings.degraded"] == 2


def test_a_closed_fabric_is_counted_and_told_once(
    exact: CacheFabric, events: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    cached = cached_embeddings(CountingEmbeddings(), exact)
    exact.sync.close()
    with caplog.at_level(logging.DEBUG, logger="cache_fabric"):
        for _ in range(3):
            assert cached.embed_query("a secret text") == [-p for p in vector("a secret text")]
    reasons = {event.reason for event in events if isinstance(event, LookupEvent)}
    assert reasons == {"host error: FabricClosedError"}
    (record,) = caplog.records
    assert "secret" not in record.getMessage()


async def test_a_blocking_call_on_the_loop_that_the_fabric_adopted(
    model: CountingEmbeddings,
) -> None:
    async with create_cache_fabric("memory") as fabric:
        cached = cached_embeddings(model, fabric)
        assert cached.embed_documents(["a"]) == [vector("a")]
        assert cached.embed_query("a") == [-part for part in vector("a")]


def test_corrupt_and_foreign_vectors_are_misses(
    exact: CacheFabric, model: CountingEmbeddings
) -> None:
    cached = FabricEmbeddings(model, exact)
    foreign: Any = {"a": [1.0], "b": {"<f4": b"abc"}, "c": {"<i4": b"abcd"}, "d": {"<f4": ""}}
    exact.store_values("embeddings", cached._whose("documents"), foreign)
    assert cached.embed_documents([*"abcd"]) == [vector("a")] * 4
    assert model._asked == [[*"abcd"]]


async def test_an_error_of_the_model_is_the_callers(exact: CacheFabric) -> None:
    class Failing(CountingEmbeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            raise ZeroDivisionError

        embed_query = embed_documents  # type: ignore[assignment]

    cached = cached_embeddings(Failing(), exact, name="failing")
    with pytest.raises(ZeroDivisionError):
        cached.embed_documents(["a"])
    with pytest.raises(ZeroDivisionError):
        cached.embed_query("a")
    with pytest.raises(ZeroDivisionError):
        await cached.aembed_documents(["a"])
    with pytest.raises(ZeroDivisionError):
        await cached.aembed_query("a")


# Packing

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SINGLES = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(st.lists(FLOATS | SINGLES, min_size=1, max_size=50))
def test_a_packed_vector_is_read_back_to_the_last_bit(numbers: list[float]) -> None:
    read = read_vector(pack_vector(numbers))
    assert read is not None
    assert [number.hex() for number in read] == [number.hex() for number in numbers]


@given(st.lists(SINGLES, min_size=1, max_size=50))
def test_what_fits_in_single_precision_takes_four_bytes(numbers: list[float]) -> None:
    (packed,) = pack_vector(numbers).values()
    assert len(packed) == 4 * len(numbers)


@given(st.lists(st.integers() | st.booleans() | st.text() | st.none() | st.just(float("nan"))))
def test_what_is_no_vector_of_finite_floats_is_none(parts: list[Any]) -> None:
    assert as_floats(parts) is None


@given(st.recursive(st.none() | st.binary() | st.text(), lambda part: st.lists(part)
       | st.dictionaries(st.sampled_from(["<f4", "<f8", "x"]), part)))  # fmt: skip
def test_reading_anything_raises_nothing(data: Any) -> None:
    found = read_vector(data)
    assert found is None or all(type(part) is float for part in found)


# LangChain's own suites


def fake(**fields: Any) -> Embeddings:
    return cached_embeddings(DeterministicFakeEmbedding(**fields), create_cache_fabric("memory"))


class TestUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> Any:
        return fake

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"size": 6}


class TestIntegrationCold(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> Any:
        return fake

    @pytest.fixture
    def model(self, exact: CacheFabric) -> Embeddings:
        return cached_embeddings(DeterministicFakeEmbedding(size=6), exact)


class TestIntegrationWarm(TestIntegrationCold):
    @pytest.fixture
    def model(self, exact: CacheFabric) -> Embeddings:
        cached = cached_embeddings(DeterministicFakeEmbedding(size=6), exact)
        for text in ("foo", "bar", "baz"):
            cached.embed_query(text)
        cached.embed_documents(["foo", "bar", "baz"])
        return cached
