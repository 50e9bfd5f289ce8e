"""One line switches cache and tracking on everywhere, once, and another one off again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import get_llm_cache, set_llm_cache
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langchain_core.tracers import context

from cache_fabric import CacheFabric, CacheOptions, ExactOnly, create_cache_fabric
from cache_fabric.errors import ValidationError
from cache_fabric.langchain import FabricCache, FabricCallbackHandler, install, uninstall
from langchain_host.executions import Tracked, everything, names

if TYPE_CHECKING:
    from langchain_host.conftest import CountingChat

MakeChat = Callable[..., "CountingChat"]
PROMPT = ChatPromptTemplate.from_messages([("user", "{question}")])


@pytest.fixture(autouse=True)
def nothing_stays_installed() -> Iterator[None]:
    before = get_llm_cache()
    yield
    uninstall()
    set_llm_cache(before)


@pytest.fixture
def other() -> Iterator[CacheFabric]:
    fabric = create_cache_fabric("memory", policy=ExactOnly())
    yield fabric
    fabric.sync.close()


@pytest.fixture
def chat(make_chat: MakeChat) -> CountingChat:
    """A model that has no cache of its own and so uses the global one."""
    return make_chat(cache=None)


def test_one_line_caches_and_tracks(exact: CacheFabric, chat: CountingChat) -> None:
    install(exact)
    for _ in range(2):
        (PROMPT | chat).invoke({"question": "capital?"})
    assert chat.calls == 1
    hit, miss = everything(exact)
    assert (miss.state["misses"], hit.state["hits"]) == (1, 1)


async def test_it_reaches_loops(exact: CacheFabric, chat: CountingChat) -> None:
    install(exact)
    for _ in range(2):
        await (PROMPT | chat).ainvoke({"question": "capital?"})
    assert chat.calls == 1
    assert len(await asyncio.to_thread(everything, exact)) == 2


def test_it_reaches_threads_that_were_there_before(exact: CacheFabric, chat: CountingChat) -> None:
    go = threading.Event()

    def work() -> None:
        go.wait()
        (PROMPT | chat).invoke({"question": "capital?"})

    thread = threading.Thread(target=work)
    thread.start()
    install(exact)
    go.set()
    thread.join()
    (execution,) = everything(exact)
    assert names(dict(execution.state)) == ["ChatPromptTemplate", "CountingChat"]


def test_a_cell_that_is_run_twice_tracks_once(exact: CacheFabric, chat: CountingChat) -> None:
    hooks = len(context._configure_hooks)
    for _ in range(3):
        install(exact)
    assert len(context._configure_hooks) <= hooks + 1
    chat.invoke("capital?")
    (execution,) = everything(exact)
    assert len(execution.state["steps"]) == 1


def test_installing_again_replaces_fabric_and_options(
    exact: CacheFabric, other: CacheFabric, chat: CountingChat
) -> None:
    install(exact, tags=["old"])
    chat.invoke("capital?")
    install(other, graph="new", tenant="acme")
    chat.invoke("capital?")
    assert chat.calls == 2
    (old,), (new,) = everything(exact), everything(other)
    assert (old.graph_name, old.tags) == ("CountingChat", ("old",))
    assert (new.graph_name, new.tags) == ("new", ())
    (entry,) = other.sync.list_answers()
    assert entry.tenant == "acme"


def test_options_of_the_cache_are_passed_on(exact: CacheFabric, chat: CountingChat) -> None:
    install(exact, options=CacheOptions(tags=("nightly",)))
    chat.invoke("capital?")
    (entry,) = exact.sync.list_answers()
    assert entry.tags == ("nightly",)


def test_a_run_under_way_stays_with_the_fabric_it_began_with(
    exact: CacheFabric, other: CacheFabric
) -> None:
    install(exact)

    def switch(text: str) -> str:
        install(other)
        return text

    RunnableLambda(switch).invoke("x")
    assert len(everything(exact)) == 1
    assert everything(other) == []


def test_a_cell_that_is_run_again_during_a_run_splits_nothing(
    exact: CacheFabric, chat: CountingChat
) -> None:
    def again(text: str) -> Any:
        install(exact)
        return chat.invoke(text)

    install(exact)
    RunnableLambda(again).invoke("capital?")
    (execution,) = everything(exact)
    assert names(dict(execution.state)) == ["CountingChat"]


def test_a_handler_that_is_also_given_tracks_once(exact: CacheFabric, chat: CountingChat) -> None:
    install(exact, graph="installed")
    tracked = Tracked(exact, graph="given")
    config, run_id = tracked.config()
    (PROMPT | chat.with_config(callbacks=[Tracked(exact).handler])).invoke(
        {"question": "?"}, config
    )
    (execution,) = everything(exact)
    assert execution.execution_id == str(run_id)
    assert execution.graph_name == "given"
    assert names(dict(execution.state)) == ["ChatPromptTemplate", "CountingChat"]


def test_a_tool_with_a_handler_of_its_own_keeps_what_runs_in_it(
    exact: CacheFabric, chat: CountingChat
) -> None:
    """LangChain gives the tool's run to that handler and what runs inside to the installed one."""

    @tool
    def expert(question: str) -> str:
        """Ask."""
        return str(chat.invoke(question).content)

    install(exact)
    expert.callbacks = [FabricCallbackHandler(exact)]
    expert.invoke({"question": "capital?"})
    (execution,) = everything(exact)
    assert names(dict(execution.state)) == ["expert", "CountingChat"]


def test_a_handler_of_another_fabric_tracks_beside(
    exact: CacheFabric, other: CacheFabric, chat: CountingChat
) -> None:
    install(exact)
    config, run_id = Tracked(other).config()
    chat.invoke("capital?", config)
    assert [e.execution_id for e in everything(exact)] == [str(run_id)]
    assert [e.execution_id for e in everything(other)] == [str(run_id)]


def test_uninstall_restores_the_cache_of_before(
    exact: CacheFabric, other: CacheFabric, chat: CountingChat
) -> None:
    before = InMemoryCache()
    set_llm_cache(before)
    install(exact)
    install(other)
    assert isinstance(get_llm_cache(), FabricCache)
    uninstall()
    assert get_llm_cache() is before
    chat.invoke("capital?")
    assert everything(other) == []


def test_uninstall_leaves_a_cache_that_somebody_set_since(exact: CacheFabric) -> None:
    install(exact)
    theirs = InMemoryCache()
    set_llm_cache(theirs)
    uninstall()
    assert get_llm_cache() is theirs


def test_a_cache_that_was_set_between_two_installs_is_restored(exact: CacheFabric) -> None:
    install(exact)
    theirs = InMemoryCache()
    set_llm_cache(theirs)
    install(exact)
    uninstall()
    assert get_llm_cache() is theirs


def test_uninstalling_what_is_not_installed_is_harmless() -> None:
    before = InMemoryCache()
    set_llm_cache(before)
    uninstall()
    uninstall()
    assert get_llm_cache() is before


def test_it_can_be_installed_after_an_uninstall(exact: CacheFabric, chat: CountingChat) -> None:
    install(exact)
    uninstall()
    install(exact)
    chat.invoke("capital?")
    assert len(everything(exact)) == 1


def test_a_wrong_option_changes_nothing(exact: CacheFabric, chat: CountingChat) -> None:
    before = get_llm_cache()
    with pytest.raises(TypeError, match="tenent"):
        install(exact, tenent="acme")
    with pytest.raises(ValidationError, match="graph"):
        install(exact, graph="")
    assert get_llm_cache() is before
    chat.invoke("capital?")
    assert everything(exact) == []
