"""``%load_ext cache_fabric``: its words, and a cell whose model calls go through the fabric."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

import litellm
import pytest
from IPython.core import interactiveshell
from IPython.core.error import UsageError
from langchain_core.globals import get_llm_cache, set_llm_cache
from langchain_core.language_models import FakeListChatModel
from traitlets.config import Config

from cache_fabric import (
    CacheFabric,
    CacheRequest,
    FabricMetrics,
    create_cache_fabric,
    notebook,
)
from cache_fabric.explanation import LookupExplanation
from cache_fabric.litellm import disable, enable
from fake_openai import serving

# LiteLLM warns of itself; that is not what these tests are about.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore::{kind}")
    for kind in ("DeprecationWarning", "UserWarning", "ResourceWarning", "RuntimeWarning")
]

Shell = Any  # IPython's are hardly typed
make_shell: Any = interactiveshell.InteractiveShell


@pytest.fixture
def fabric() -> Iterator[CacheFabric]:
    made = create_cache_fabric("memory")
    yield made
    made.sync.close()


@pytest.fixture
def shell(fabric: CacheFabric, tmp_path: Any, monkeypatch: Any) -> Iterator[Shell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    made: Shell = make_shell(config=Config({"HistoryManager": {"enabled": False}}))
    made.user_ns["fabric"] = fabric
    assert made.extension_manager.load_extension("cache_fabric") is None
    yield made
    made.extension_manager.unload_extension("cache_fabric")


def run(shell: Shell, *lines: str) -> Any:
    done = shell.run_cell("\n".join(lines))
    done.raise_error()
    return done.result


def listed(shell: Shell, line: str) -> str:
    shown: str = run(shell, line)._repr_html_()
    return shown


def ask(fabric: CacheFabric, question: str) -> Any:
    messages = [{"role": "user", "content": question}]
    return fabric.sync.lookup(CacheRequest(model="gpt-4o-mini", messages=messages))


def fake(*answers: str) -> FakeListChatModel:
    return FakeListChatModel(responses=list(answers))


def test_alone_it_is_the_fabric(shell: Shell, fabric: CacheFabric) -> None:
    assert run(shell, "%fabric") is fabric


def test_its_figures_are_a_value(shell: Shell, fabric: CacheFabric) -> None:
    fabric.sync.store(ask(fabric, "a").ticket, "b")
    found = run(shell, "found = %fabric stats 15m", "found")
    assert isinstance(found, FabricMetrics)
    assert found["misses"] == 1
    assert list(run(shell, "%fabric stats --by tier").index) == ["miss"]


def test_it_explains_a_lookup(shell: Shell, fabric: CacheFabric) -> None:
    shell.user_ns["missed"] = ask(fabric, "What is it?")
    explained = run(shell, "%fabric explain {missed.lookup_id}")
    assert isinstance(explained, LookupExplanation)
    assert explained.question == "What is it?"


def test_it_lists_what_is_kept(shell: Shell, fabric: CacheFabric) -> None:
    fabric.sync.store(ask(fabric, "What is <it>?").ticket, "This & that.")
    fabric.sync.set_context("router:a:system_prompt", "Be brief.")
    fabric.sync.track_execution("run-1", "support", {"input": "hello"}, durable=True)
    assert "What is &lt;it&gt;?" in listed(shell, "%fabric ls")
    assert "This &amp; that." in listed(shell, "%fabric ls answers")
    assert "Be brief." in listed(shell, "%fabric ls contexts")
    assert "run-1" in listed(shell, "%fabric ls executions")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%fabric ls elephants", "ls what: answers, contexts, executions; not 'elephants'"),
        ("%fabric explain", "explain what"),
        ("%fabric explain nobody", "neither a kept answer"),
        ("%fabric stats soon", "window"),
        ("%fabric stats --by colour", "by: expected model"),
        ("%fabric --of nothing", "'nothing' is no fabric"),
        ("%fabric sing", "invalid choice"),
        ("%fabric_cached --host telex", "invalid choice"),
    ],
)
def test_what_it_cannot_do_is_said_without_a_traceback(shell: Shell, line: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run(shell, line)


def test_of_several_fabrics_one_has_to_be_named(shell: Shell, fabric: CacheFabric) -> None:
    shell.user_ns["same"] = fabric.sync
    assert run(shell, "%fabric") is fabric
    shell.user_ns["other"] = other = create_cache_fabric("memory")
    with pytest.raises(UsageError, match="say --of fabric or --of other"):
        run(shell, "%fabric")
    assert run(shell, "%fabric --of other") is other
    other.sync.close()
    del shell.user_ns["fabric"], shell.user_ns["same"], shell.user_ns["other"]
    with pytest.raises(UsageError, match="no fabric here"):
        run(shell, "%fabric")


def test_a_cell_goes_through_the_fabric_and_the_next_does_not(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.user_ns["model"] = fake("one", "two", "three")
    twice = "[model.invoke('the same').content for _ in range(2)]"
    assert run(shell, "%%fabric_cached", twice) == ["one", "one"]
    assert (
        capsys.readouterr()
        .out.splitlines()[-1]
        .startswith(
            "fabric: 1 from the cache (1 hot), 1 from the model, 0 not for the cache; saved $0"
        )
    )
    assert get_llm_cache() is None
    assert run(shell, twice) == ["two", "three"]


def test_such_a_cell_may_await_and_shows_its_last_value(shell: Shell) -> None:
    shell.user_ns["model"] = fake("one", "two")
    assert run(shell, "%%fabric_cached", "await model.ainvoke('a')").content == "one"
    assert run(shell, "%%fabric_cached", "await model.ainvoke('a')").content == "one"


def test_tenants_share_no_answer(shell: Shell) -> None:
    shell.user_ns["model"] = fake("one", "two")
    assert run(shell, "%%fabric_cached --tenant a", "model.invoke('q').content") == "one"
    assert run(shell, "%%fabric_cached --tenant b", "model.invoke('q').content") == "two"


def test_after_a_cell_that_fails_all_is_as_before(
    shell: Shell, fabric: CacheFabric, capsys: pytest.CaptureFixture[str]
) -> None:
    before = object()
    set_llm_cache(before)  # type: ignore[arg-type]
    try:
        with pytest.raises(ZeroDivisionError):
            run(shell, "%%fabric_cached", "1 / 0")
        assert get_llm_cache() is before
    finally:
        set_llm_cache(None)
    capsys.readouterr()
    ask(fabric, "is not of the cell")
    assert run(shell, "2") == 2
    assert "fabric:" not in capsys.readouterr().out


def test_calls_of_litellm_go_through_it_too(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "import litellm")
    with serving() as upstream:
        shell.user_ns["where"] = {"api_base": upstream.url, "api_key": "sk-none"}
        call = "litellm.completion('gpt-4o-mini', [{'role': 'user', 'content': 'q'}], **where)"
        run(shell, "%%fabric_cached", f"{call}, {call}")
        assert "fabric: 1 from the cache (1 hot), 1 from the model" in capsys.readouterr().out
        assert litellm.cache is None
        assert len(upstream.calls) == 1


def test_a_fabric_that_litellm_goes_through_already_is_not_pushed_out(
    shell: Shell, fabric: CacheFabric
) -> None:
    enable(fabric)
    try:
        with pytest.raises(UsageError, match=r"disable\(\) that one first"):
            run(shell, "%%fabric_cached", "litellm = 1")
        assert litellm.cache is not None
        assert get_llm_cache() is None
    finally:
        disable()


def test_a_host_that_is_not_installed_is_passed_over(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.user_ns["model"] = fake("one", "two")
    monkeypatch.setitem(notebook._IMPORTED_AS, "litellm", "not_installed_here")
    assert run(shell, "%%fabric_cached", "model.invoke('q').content  # not litellm") == "one"
    monkeypatch.setitem(notebook._IMPORTED_AS, "langchain", "not_installed_either")
    with pytest.raises(UsageError, match="neither LangChain nor LiteLLM is imported"):
        run(shell, "%%fabric_cached", "model.invoke('q').content")


def test_a_traceback_names_the_line_that_one_sees(shell: Shell) -> None:
    done = shell.run_cell("%%fabric_cached\n\n1 / 0")
    assert done.error_in_exec is not None
    assert traceback.extract_tb(done.error_in_exec.__traceback__)[-1].lineno == 3
