"""Plain calls of a wrapped model: one entry for all of them, and nothing of it is shared."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, MessagesState, StateGraph

from cache_fabric import CacheFabric, CacheOptions, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.instrumentation.events import Event, LookupEvent, StoreEvent
from cache_fabric.langchain import FabricCache, cached

if TYPE_CHECKING:
    from langchain_host.conftest import StreamingChat

MakeStreaming = Callable[..., "StreamingChat"]


def outcomes(events: list[Event]) -> list[str]:
    return [e.tier or e.outcome for e in events if isinstance(e, LookupEvent)]


def test_second_call_is_a_hit(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    plain = make_streaming()
    chat = cached(plain, exact)
    first, second = chat.invoke("capital?"), chat.invoke("capital?")
    assert [first.text, second.text] == ["Paris.", "Paris."]
    assert plain.calls == 1
    assert outcomes(events) == ["miss", "hot"]


async def test_second_call_is_a_hit_in_a_loop(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    plain = make_streaming()
    chat = cached(plain, exact)
    first, second = await chat.ainvoke("capital?"), await chat.ainvoke("capital?")
    assert [first.text, second.text] == ["Paris.", "Paris."]
    assert plain.calls == 1
    assert outcomes(events) == ["miss", "hot"]


def test_hit_is_marked_has_a_fresh_id_and_costs_nothing(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    chat = cached(make_streaming(), exact)
    hits = [chat.invoke("capital?") for _ in range(3)][1:]
    assert len({hit.id for hit in hits}) == 2
    for hit in hits:
        assert hit.response_metadata["cache_fabric"]["tier"] == "hot"
        assert hit.response_metadata["model_name"] == "fake-1"
        assert hit.usage_metadata is not None
        assert hit.usage_metadata["total_tokens"] == 5
        assert hit.usage_metadata["total_cost"] == 0  # type: ignore[typeddict-item]


def test_model_itself_stays_as_it_was(make_streaming: MakeStreaming, exact: CacheFabric) -> None:
    plain = make_streaming()
    cached(plain, exact)
    assert [plain.invoke("capital?").text for _ in range(2)] == ["Paris."] * 2
    assert plain.calls == 2


def test_answer_is_one_entry_with_the_cache(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    plain = make_streaming()
    wrapped = cached(plain, exact)
    by_cache = plain.model_copy(update={"cache": FabricCache(exact)})
    wrapped.invoke("capital?")
    by_cache.invoke("capital?")
    by_cache.invoke("river?")
    wrapped.invoke("river?")
    assert plain.calls == 2


def test_no_other_cache_is_asked(make_streaming: MakeStreaming, exact: CacheFabric) -> None:
    class Forbidden(FabricCache):
        def lookup(self, prompt: str, llm_string: str) -> Any:
            pytest.fail("the global cache was asked")

    set_llm_cache(Forbidden(exact))
    try:
        assert cached(make_streaming(), exact).invoke("capital?").text == "Paris."
    finally:
        set_llm_cache(None)


def test_what_a_caller_does_to_a_hit_changes_no_other(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    chat = cached(make_streaming(), exact)
    chat.invoke("capital?")
    spoiled = chat.invoke("capital?")
    spoiled.content = "spoiled"
    spoiled.response_metadata["model_name"] = "spoiled"
    assert spoiled.usage_metadata is not None
    spoiled.usage_metadata["input_tokens"] = 1_000
    clean = chat.invoke("capital?")
    assert clean.text == "Paris."
    assert clean.response_metadata["model_name"] == "fake-1"
    assert clean.usage_metadata is not None
    assert clean.usage_metadata["input_tokens"] == 3


def test_several_answers_are_kept_together(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    plain = make_streaming()
    plain.n = 3
    chat = cached(plain, exact)
    question: Any = [HumanMessage("capital?")]
    chat.generate([question])
    generations = chat.generate([question]).generations[0]
    assert [generation.text for generation in generations] == ["Paris."] * 3
    ids = {g.message.id for g in generations if isinstance(g, ChatGeneration)}
    assert len(ids) == 3
    assert plain.calls == 1


def test_equal_messages_of_one_batch(make_streaming: MakeStreaming, exact: CacheFabric) -> None:
    chat = cached(make_streaming(), exact)
    assert [m.text for m in chat.batch(["capital?"] * 4)] == ["Paris."] * 4
    question: Any = [HumanMessage("river?")]
    assert len(chat.generate([question, question]).generations) == 2


def test_second_turn_has_one_key_after_a_hit_and_after_a_miss(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    plain = make_streaming()
    chat = cached(plain, exact)
    for _ in range(2):  # the first turn is a miss, then a hit
        first = chat.invoke([HumanMessage("capital?")])
        chat.invoke([HumanMessage("capital?"), first, HumanMessage("sure?")])
    assert plain.calls == 2


def test_tenant_and_user_are_asked_for_in_the_context_of_each_call(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    tenant: ContextVar[str] = ContextVar("tenant")
    user: ContextVar[str | None] = ContextVar("user", default=None)
    plain = make_streaming()
    chat = cached(plain, exact, tenant=tenant.get, user=user.get)
    for name in ("acme", "umbrella", "acme"):
        tenant.set(name)
        chat.invoke("capital?")
    assert plain.calls == 2
    user.set("ann")
    chat.invoke("capital?")
    assert plain.calls == 3


def test_tenant_that_is_no_name_is_a_counted_bypass(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    plain = make_streaming()
    chat = cached(plain, exact, tenant=lambda: "")
    assert [chat.invoke("capital?").text for _ in range(2)] == ["Paris."] * 2
    assert plain.calls == 2
    assert outcomes(events) == ["bypass", "bypass"]


def test_options_go_with_every_request(make_streaming: MakeStreaming, exact: CacheFabric) -> None:
    plain = make_streaming()
    chat = cached(plain, exact, options=CacheOptions(tags=("geo",)))
    chat.invoke("capital?")
    exact.sync.invalidate(tag="geo")
    chat.invoke("capital?")
    assert plain.calls == 2


class Gate:
    """Opens when so many callers have looked up."""

    def __init__(self, fabric: CacheFabric, callers: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self._missing = threading.Semaphore(0)
        self._callers = callers
        life = fabric._life()
        claim = life.engine.flights.claim

        async def counted(ticket: Any) -> Any:
            self._missing.release()
            return await claim(ticket)

        monkeypatch.setattr(life.engine.flights, "claim", counted)

    def __call__(self) -> None:
        for _ in range(self._callers):
            if not self._missing.acquire(timeout=60):
                pytest.fail("the other callers never came")

    async def wait(self) -> None:
        await asyncio.to_thread(self)


def test_fifty_threads_make_one_call(
    make_streaming: MakeStreaming, exact: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = make_streaming(gate=Gate(exact, 50, monkeypatch))
    chat = cached(plain, exact)
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: chat.invoke("capital?"), range(50)))
    assert plain.calls == 1
    assert [answer.text for answer in answers] == ["Paris."] * 50
    assert len({answer.id for answer in answers}) == 50


async def test_fifty_tasks_make_one_call(
    make_streaming: MakeStreaming, exact: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = make_streaming(agate=Gate(exact, 50, monkeypatch).wait)
    chat = cached(plain, exact)
    answers = await chat.abatch(["capital?"] * 50)
    assert plain.calls == 1
    assert [answer.text for answer in answers] == ["Paris."] * 50


def raising(error: BaseException) -> Callable[[list[BaseMessage]], AIMessage]:
    def reply(_: list[BaseMessage]) -> AIMessage:
        raise error

    return reply


@pytest.mark.parametrize("error", [ConnectionError("away"), KeyboardInterrupt()])
def test_failure_is_the_callers_and_frees_the_others(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event], error: BaseException
) -> None:
    plain = make_streaming(reply=raising(error))
    with pytest.raises(type(error)):
        cached(plain, exact).invoke("capital?")
    assert [e.outcome for e in events if isinstance(e, StoreEvent)] == ["released"]


async def test_cancelled_call_frees_the_others(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    called = asyncio.Event()

    async def hang() -> None:
        called.set()
        await asyncio.Event().wait()

    leaving = cached(make_streaming(agate=hang), exact)
    task = asyncio.create_task(leaving.ainvoke("capital?"))
    await called.wait()
    staying = cached(make_streaming(), exact)
    following = asyncio.create_task(staying.ainvoke("capital?"))
    task.cancel()
    async with asyncio.timeout(5):  # a lease of an unknown model lasts 15 s
        assert (await following).text == "Paris."


def test_expired_answer_stands_in_for_a_failed_call(make_streaming: MakeStreaming) -> None:
    config = FabricConfig(ttl=1e-6, stale_if_error=60.0)
    with create_cache_fabric("memory", policy=ExactOnly(), config=config).sync as fabric:
        plain = make_streaming()
        chat = cached(plain, fabric._fabric)
        chat.invoke("capital?")
        plain._script.reply = raising(ConnectionError("away"))
        standing_in = chat.invoke("capital?")
        assert standing_in.text == "Paris."
        assert standing_in.response_metadata["cache_fabric"]["stale"] is True
        streamed = list(chat.stream("capital?"))
        assert "".join(chunk.text for chunk in streamed) == "Paris."


def test_incomplete_answer_is_not_kept(make_streaming: MakeStreaming, exact: CacheFabric) -> None:
    plain = make_streaming(finish={"finish_reason": "length"})
    chat = cached(plain, exact)
    for _ in range(2):
        chat.invoke("capital?")
    assert plain.calls == 2


def named(tenant: Any) -> Any:
    return {"metadata": {"cache_fabric_tenant": tenant}}


def in_a_chain(chat: StreamingChat) -> Any:
    return RunnableLambda(lambda question: chat.invoke(question)) | (lambda message: message)


def in_a_graph(chat: Any) -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [chat.invoke(state["messages"])]})
    graph.add_edge(START, "model")
    return graph.compile()


ASKED: dict[str, Callable[[StreamingChat, Any], Any]] = {
    "invoke": lambda chat, config: chat.invoke("a?", config),
    "stream": lambda chat, config: list(chat.stream("a?", config)),
    "batch": lambda chat, config: chat.batch(["a?"], config),
    "typed": lambda chat, config: chat.stream_events("a?", config, version="v3").output,
    "bound": lambda chat, config: list(chat.with_config(config).stream("a?")),
    "chain": lambda chat, config: in_a_chain(chat).invoke("a?", config),
    "chain stream": lambda chat, config: list((chat | (lambda m: m)).stream("a?", config)),
    "graph": lambda chat, config: in_a_graph(chat).invoke({"messages": [("user", "a?")]}, config),
    "graph stream": lambda chat, config: list(
        in_a_graph(chat).stream({"messages": [("user", "a?")]}, config, stream_mode="messages")
    ),
    "inside a streamed graph": lambda chat, config: list(
        in_a_graph(chat.with_config(config)).stream(
            {"messages": [("user", "a?")]}, stream_mode="messages"
        )
    ),
}


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
@pytest.mark.parametrize("way", ASKED)
def test_run_may_name_its_tenant(
    make_streaming: MakeStreaming, exact: CacheFabric, way: str
) -> None:
    plain = make_streaming()
    chat = cached(plain, exact)
    for tenant in ("acme", "umbrella", "acme"):
        ASKED[way](chat, named(tenant))
    assert plain.calls == 2
    chat.invoke("a?")
    assert plain.calls == 3
    cached(plain, exact, tenant="acme").invoke("a?", named("umbrella"))
    assert plain.calls == 3


async def test_run_in_a_loop_may_name_its_tenant(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    plain = make_streaming()
    chat = cached(plain, exact)

    async def stream(tenant: str) -> None:
        async for _ in chat.astream("a?", named(tenant)):
            await asyncio.sleep(0)

    for tenant in ("acme", "umbrella", "acme"):
        await chat.ainvoke("b?", named(tenant))
    assert plain.calls == 2
    await asyncio.gather(*(stream(tenant) for tenant in ("acme", "umbrella") * 3))
    assert plain.calls == 4


def test_run_that_names_no_proper_tenant_is_a_counted_bypass(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    chat = cached(make_streaming(), exact)
    assert chat.invoke("a?", named(7)).text == "Paris."
    assert "".join(chunk.text for chunk in chat.stream("a?", named(""))) == "Paris."
    assert outcomes(events) == ["bypass", "bypass"]
