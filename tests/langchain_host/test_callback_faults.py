"""Whatever goes wrong, in the run or in the tracking, the run itself goes on as without us."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import LLMResult
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from tenacity import RetryCallState, Retrying

from broken_stores import DeadStore, HungStore
from cache_fabric import CacheFabric, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.errors import ValidationError
from cache_fabric.langchain import FabricCallbackHandler
from cache_fabric.langchain import _runs as runs
from cache_fabric.langchain._runs import Runs
from cache_fabric.stores.memory import MemoryStore
from langchain_host.executions import COST, PRICES, Tracked, everything, names, steps

if TYPE_CHECKING:
    from langchain_host.conftest import CountingChat

MakeChat = Callable[..., "CountingChat"]


@pytest.fixture
def exact() -> Iterator[CacheFabric]:
    fabric = create_cache_fabric("memory", policy=ExactOnly(), prices=PRICES)
    yield fabric
    fabric.sync.close()


@pytest.fixture
def tracked(exact: CacheFabric) -> Tracked:
    return Tracked(exact)


def broken(_: Any) -> Any:
    raise ValueError("the provider is away")


def test_an_error_of_the_model_is_kept_and_reaches_the_caller(
    make_chat: MakeChat, tracked: Tracked
) -> None:
    config, run_id = tracked.config()
    with pytest.raises(ValueError, match="away"):
        (RunnableLambda(lambda text: text) | make_chat(broken)).invoke("capital?", config)
    state = tracked.state(run_id)
    error = {"type": "ValueError", "message": "the provider is away"}
    assert (state["status"], state["error"]) == ("error", error)
    (model,) = steps(state, "model")
    assert (model["status"], model["error"]) == ("error", error)
    assert state["cost"] == 0
    assert tracked.fabric.sync.search_executions(status="error")


def test_an_error_of_a_tool_is_kept(tracked: Tracked) -> None:
    @tool
    def divide(by: int) -> float:
        """Divide."""
        return 1 / by

    config, run_id = tracked.config()
    with pytest.raises(ZeroDivisionError):
        divide.invoke({"by": 0}, config)
    (step,) = steps(tracked.state(run_id), "tool")
    assert step["error"] == {"type": "ZeroDivisionError", "message": "division by zero"}


async def test_a_cancelled_run_is_cancelled(make_chat: MakeChat, tracked: Tracked) -> None:
    reached = asyncio.Event()

    async def hang() -> None:
        reached.set()
        await asyncio.Event().wait()

    config, run_id = tracked.config()
    chain = RunnableLambda(lambda text: text) | make_chat(agate=hang)
    task = asyncio.create_task(chain.ainvoke("capital?", config))
    await reached.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert (await asyncio.to_thread(tracked.state, run_id))["status"] == "cancelled"


def test_every_try_is_a_step(make_chat: MakeChat, tracked: Tracked) -> None:
    failures = iter([True, True, False])

    def reply(messages: Any) -> AIMessage:
        return broken(messages) if next(failures) else AIMessage("Paris.")

    chat = make_chat(reply).with_retry(wait_exponential_jitter=False)
    config, run_id = tracked.config()
    chat.invoke("capital?", config)
    state = tracked.state(run_id)
    assert [s["status"] for s in steps(state, "model")] == ["error", "error", "success"]
    assert state["status"] == "success"


def test_retries_that_a_model_tells_of_are_counted(tracked: Tracked) -> None:
    run_id = uuid4()
    tracked.handler.on_chat_model_start({}, [[HumanMessage("?")]], run_id=run_id)
    tracked.handler.on_retry(RetryCallState(Retrying(), None, (), {}), run_id=run_id)
    tracked.handler.on_llm_end(LLMResult(generations=[[]]), run_id=run_id)
    assert tracked.state(run_id)["steps"][0]["retries"] == 1


class Hostile(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def test_an_error_that_cannot_be_written_is_an_error_all_the_same(tracked: Tracked) -> None:
    def fail(_: Any) -> None:
        raise Hostile

    config, run_id = tracked.config()
    with pytest.raises(Hostile):
        RunnableLambda(fail).invoke("x", config)
    state = tracked.state(run_id)
    assert state["status"] == "error"
    assert state["error"]["type"] == "Hostile"


def test_a_long_error_is_cut(tracked: Tracked) -> None:
    def fail(_: Any) -> None:
        raise ValueError("x" * 100_000)

    config, run_id = tracked.config()
    with pytest.raises(ValueError, match="xxx"):
        RunnableLambda(fail).invoke("x", config)
    assert len(tracked.state(run_id)["error"]["message"]) < 600


EVENTS = [name for name in dir(BaseCallbackHandler) if name.startswith("on_")]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("junk", [None, 0, "text", object(), [], {}, Hostile()])
def test_no_malformed_event_raises(tracked: Tracked, event: str, junk: Any) -> None:
    heard = getattr(tracked.handler, event)
    takes = [
        p.name
        for p in inspect.signature(getattr(BaseCallbackHandler, event)).parameters.values()
        if p.name not in {"self", "kwargs", "run_id"}
    ]
    for run_id in (uuid4(), junk):
        heard(run_id=run_id, **dict.fromkeys(takes, junk))
    run_id = uuid4()
    tracked.handler.on_chat_model_start({}, [[HumanMessage("?")]], run_id=run_id)
    heard(run_id=run_id, **dict.fromkeys(takes, junk))


def test_a_fault_of_ours_is_counted_and_told_once_without_a_prompt(
    tracked: Tracked, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="cache_fabric"):
        for _ in range(3):
            tracked.handler.on_chat_model_start({}, "a prompt stands here", run_id=[])  # type: ignore[arg-type]
    assert tracked.handler.lost == {"faults": 3}
    (record,) = caplog.records
    assert "prompt" not in record.getMessage()


def test_it_keeps_the_names_of_langchains_parameters() -> None:
    """Events arrive by keyword (a token as ``token=``); another name would lose them."""
    for event in EVENTS:
        documented = inspect.signature(getattr(BaseCallbackHandler, event)).parameters
        for name in inspect.signature(getattr(FabricCallbackHandler, event)).parameters:
            assert name in documented, event


def test_it_is_one_plain_class_that_runs_inline() -> None:
    assert not issubclass(FabricCallbackHandler, AsyncCallbackHandler)
    assert FabricCallbackHandler.run_inline
    assert not FabricCallbackHandler.raise_error


def test_ends_without_a_start_are_passed_over(tracked: Tracked) -> None:
    tracked.handler.on_chain_end({}, run_id=uuid4())
    tracked.handler.on_llm_end(LLMResult(generations=[]), run_id=uuid4())
    tracked.handler.on_tool_error(ValueError(), run_id=uuid4())
    assert everything(tracked.fabric) == []
    assert tracked.handler.lost == {}


def test_a_handler_that_comes_in_the_middle_tracks_what_it_hears(tracked: Tracked) -> None:
    run_id = uuid4()
    tracked.handler.on_chain_start({}, {}, run_id=run_id, parent_run_id=uuid4(), name="inner")
    tracked.handler.on_chain_end({}, run_id=run_id)
    assert tracked.of(run_id).graph_name == "inner"


def test_runs_that_never_end_are_given_up_oldest_first(
    tracked: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_MOST_TRACES", 3)
    ids = [uuid4() for _ in range(5)]
    for number, run_id in enumerate(ids):
        tracked.handler.on_chain_start({}, {}, run_id=run_id, name=f"run-{number}")
    assert tracked.handler.lost == {"unfinished": 2}
    given_up = everything(tracked.fabric)
    assert sorted(execution.graph_name for execution in given_up) == ["run-0", "run-1"]
    assert {execution.status for execution in given_up} == {"unfinished"}
    tracked.handler.on_chain_end({}, run_id=ids[0])
    assert len(everything(tracked.fabric)) == 2


def test_a_run_keeps_so_many_steps_and_counts_the_rest(
    make_chat: MakeChat, tracked: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_MOST_STEPS", 2)
    chain = RunnableLambda(lambda text: text, name="a") | RunnableLambda(lambda t: t, name="b")
    config, run_id = tracked.config()
    (chain | make_chat(cache=False)).invoke("x", config)
    state = tracked.state(run_id)
    assert names(state) == ["a", "b"]
    assert state["steps_dropped"] == 1
    assert tracked.handler.lost == {"steps": 1}
    assert state["cost"] == pytest.approx(COST)  # what a step cost is counted all the same


def test_a_huge_run_is_still_a_record(tracked: Tracked) -> None:
    big = {str(n): "\u0001" * 10_000 for n in range(50)}
    chain = RunnableLambda(lambda value: value, name="0")
    for number in range(1, 300):
        chain = chain | RunnableLambda(lambda value: value, name=str(number))  # type: ignore[assignment]
    config, run_id = tracked.config()
    chain.invoke(big, config)
    assert len(tracked.state(run_id)["steps"]) == 300


def test_a_run_may_end_in_the_middle_of_another_event_of_its_thread(tracked: Tracked) -> None:
    """A garbage collection finalizes an abandoned stream wherever it happens to strike."""
    run_id = uuid4()
    tracked.handler.on_chain_start({}, {}, run_id=run_id, name="abandoned")
    queue = tracked.fabric._life().tracking.queue
    with Runs.of(tracked.fabric)._lock, queue._lock, tracked.fabric._metrics._lock:
        tracked.handler.on_chain_end({}, run_id=run_id)
        queue.close()
    assert tracked.fabric._metrics.totals().executions == {"dropped": 1}


def test_a_dead_store_loses_the_execution_and_says_so(make_chat: MakeChat) -> None:
    fabric = create_cache_fabric("memory", policy=ExactOnly(), store=DeadStore("dead"))
    tracked = Tracked(fabric)
    config, _ = tracked.config()
    assert make_chat().invoke("capital?", config).content == "Paris."
    fabric.sync.flush()
    assert fabric.sync.get_metrics()["executions"] == {"dropped": 1}
    fabric.sync.close()


@pytest.mark.parametrize("store", [DeadStore, HungStore])
def test_a_broken_store_delays_no_run(make_chat: MakeChat, store: type[MemoryStore]) -> None:
    fabric = create_cache_fabric("memory", policy=ExactOnly(), store=store("broken"))
    chat, tracked = make_chat(cache=False), Tracked(fabric)
    chat.invoke("warm up", tracked.config()[0])
    started = time.monotonic()
    for _ in range(10):
        assert chat.invoke("capital?", tracked.config()[0]).content == "Paris."
    assert time.monotonic() - started < 10 * 0.1
    fabric._life().portal.close()  # an orderly end would wait for the store


async def test_overload_drops_and_counts(make_chat: MakeChat) -> None:
    config = FabricConfig(queue_entries=5)
    async with create_cache_fabric("memory", policy=ExactOnly(), config=config) as fabric:
        tracked, chat = Tracked(fabric), make_chat(cache=False)
        for _ in range(8):  # the home loop is this one: a run without an await is not written
            assert chat.invoke("capital?", tracked.config()[0]).content == "Paris."
        await fabric.flush()
        assert (await fabric.get_metrics())["executions"] == {"kept": 5, "dropped": 3}


def test_a_closed_fabric_is_no_reason_to_fail(make_chat: MakeChat, tracked: Tracked) -> None:
    tracked.fabric.sync.close()
    chat = make_chat(cache=False)
    assert chat.invoke("capital?", tracked.config()[0]).content == "Paris."


def test_a_stream_that_breaks_was_not_free(tracked: Tracked) -> None:
    def words() -> Iterator[Any]:
        yield AIMessage("one two")

    config, run_id = tracked.config()
    chat = GenericFakeChatModel(messages=words())
    list(chat.stream("?"))
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(chat.stream("?", config))
    assert tracked.state(run_id)["cost"] == 0  # it broke before a word came
    run = uuid4()
    tracked.handler.on_chat_model_start({}, [[HumanMessage("?")]], run_id=run)
    tracked.handler.on_llm_new_token(token="one", run_id=run)
    tracked.handler.on_llm_error(ConnectionError("reset"), run_id=run)
    assert tracked.state(run)["cost"] is None
    assert tracked.state(run)["tokens"] is None


@pytest.mark.parametrize(
    ("options", "field"),
    [({"graph": ""}, "graph"), ({"graph": 3}, "graph"), ({"tags": "x"}, "tags")],
)
def test_a_wrong_argument_is_named(exact: CacheFabric, options: Any, field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        FabricCallbackHandler(exact, **options)
