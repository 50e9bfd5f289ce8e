"""``%load_ext cache_fabric``: a fabric's figures and calls in a notebook, in a word.

``%fabric`` shows the fabric among the notebook's variables, ``%fabric stats`` its figures,
``%fabric ls`` what it keeps and ``%fabric explain ID`` why a lookup ended as it did. A cell that
begins with ``%%fabric_cached`` has its model calls answered from the fabric, and ends with what
that came to.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from typing import Any, NoReturn

from IPython.core.error import UsageError

from cache_fabric.errors import CacheFabricError, ConfigurationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.instrumentation.answer_events import LookupEvent
from cache_fabric.instrumentation.events import Event
from cache_fabric.sync import SyncCacheFabric
from cache_fabric.viewed import Cell, html_table

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

_CELL = "%%fabric_cached"
_KINDS = ("answers", "contexts", "executions")
_IMPORTED_AS = {"langchain": "langchain_core", "litellm": "litellm"}
_MOST = 50  # rows of a list


def load_ipython_extension(shell: Any) -> None:
    """Let a shell know ``%fabric`` and ``%%fabric_cached``."""
    unload_ipython_extension(shell)
    words = _Words(shell)
    shell.register_magic_function(words.fabric, "line", "fabric")
    shell.register_magic_function(words.fabric_cached, "line", "fabric_cached")
    shell.input_transformers_cleanup.append(_without_cell_magic)


def unload_ipython_extension(shell: Any) -> None:
    """Let it read cells as before."""
    if _without_cell_magic in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(_without_cell_magic)


def _without_cell_magic(lines: list[str]) -> list[str]:
    """Replace ``%%fabric_cached`` by a call, so that the rest stays a cell that may ``await``."""
    if not lines or lines[0].split()[:1] != [_CELL]:
        return lines
    cell = "".join(lines[1:])
    named = "".join(f" --host {host}" for host in _IMPORTED_AS if host in cell)
    options = lines[0].strip().removeprefix(_CELL) + named
    return [f"get_ipython().run_line_magic('fabric_cached', {options!r})\n", *lines[1:]]


class _Words:
    """What a notebook may say.

    Args:
        shell: That of IPython.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def fabric(self, line: str) -> Any:
        """Show a fabric: its figures, what it keeps, or why a lookup ended as it did.

        %fabric                                     the fabric itself
        %fabric stats [WINDOW] [--by model|tenant|graph|context|tag|tier]
        %fabric ls [answers|contexts|executions]    newest first
        %fabric explain ID                          of a lookup or an entry; {expression} is filled

        --of NAME says which variable, where there are several fabrics.
        """
        asked = _parsed(line, _FABRIC)
        fabric = _found(self._shell.user_ns, asked.of)
        try:
            return _shown(fabric, asked.word, asked.what, asked.by)
        except CacheFabricError as error:
            _refuse(str(error))

    def fabric_cached(self, line: str) -> None:
        """Answer the model calls of a cell from the fabric: %%fabric_cached in its first line.

        Calls of LangChain (``invoke`` and ``batch`` in both colours) and of LiteLLM; of a host that
        is imported already, or that the cell names. What was there is put back at the cell's end.

        %%fabric_cached [--tenant NAME] [--user NAME] [--host langchain|litellm] [--of NAME]
        """
        asked = _parsed(line, _CACHED)
        fabric = _found(self._shell.user_ns, asked.of)
        hosts = [name for name in _IMPORTED_AS if _is_there(name, is_named=name in asked.host)]
        if not hosts:
            _refuse("neither LangChain nor LiteLLM is imported, or named in this cell")
        cached = _Cached(fabric, {"tenant": asked.tenant, "user": asked.user})
        try:
            cached.begin(hosts)
        except CacheFabricError as error:
            _refuse(str(error))
        events = self._shell.events

        def end() -> None:
            events.unregister("post_execute", end)
            print(cached.end())

        events.register("post_execute", end)


def _is_there(host: str, *, is_named: bool) -> bool:
    module = _IMPORTED_AS[host]
    return module in sys.modules or (is_named and find_spec(module) is not None)


class _Cached:
    """The calls of a cell.

    Args:
        fabric: Answers them.
        terms: Tenant and user.
    """

    def __init__(self, fabric: CacheFabric, terms: dict[str, Any]) -> None:
        self._fabric = fabric
        self._terms = terms
        self._heard: list[LookupEvent] = []
        self._undo: list[Callable[[], None]] = []

    def begin(self, hosts: Iterable[str]) -> None:
        """Put the fabric in the place of the hosts' caches."""
        self._fabric.add_hook(self._hear)
        self._undo.append(lambda: self._fabric.remove_hook(self._hear))
        try:
            for host in hosts:
                self._undo.append(_SWITCHES[host](self._fabric, self._terms))
        except BaseException:
            self._restore()
            raise

    def end(self) -> str:
        """Put back what was there; returns what the calls came to."""
        self._restore()
        tiers = Counter(event.tier for event in self._heard if event.tier is not None)
        outcomes = Counter(event.outcome for event in self._heard)
        served = ", ".join(f"{count} {tier}" for tier, count in tiers.most_common())
        saved = [e.saved_micros for e in self._heard if e.outcome == "hit"]
        known = sum(micros for micros in saved if micros is not None)
        unpriced = sum(micros is None for micros in saved)
        return (
            f"fabric: {outcomes['hit']} from the cache{f' ({served})' if served else ''}, "
            f"{outcomes['miss']} from the model, {outcomes['bypass']} not for the cache; "
            f"saved ${known / 1e6:,.6f}{f' and {unpriced} without a price' if unpriced else ''}"
        )

    def _hear(self, event: Event) -> None:
        if isinstance(event, LookupEvent):
            self._heard.append(event)

    def _restore(self) -> None:
        while self._undo:
            self._undo.pop()()


def _in_langchain(fabric: CacheFabric, terms: dict[str, Any]) -> Callable[[], None]:
    from langchain_core.globals import get_llm_cache, set_llm_cache

    from cache_fabric.langchain import FabricCache

    before = get_llm_cache()
    set_llm_cache(FabricCache(fabric, **terms))
    return lambda: set_llm_cache(before)


def _in_litellm(fabric: CacheFabric, terms: dict[str, Any]) -> Callable[[], None]:
    import litellm

    from cache_fabric.litellm import disable, enable

    if type(litellm.cache).__module__.startswith(enable.__module__.rpartition(".")[0]):
        raise ConfigurationError("LiteLLM goes through a fabric already: disable() that one first")
    enable(fabric, **terms)
    return disable


_SWITCHES = {"langchain": _in_langchain, "litellm": _in_litellm}


def _found(names: dict[str, Any], name: str | None) -> CacheFabric:
    """Return the fabric that is meant, in either colour."""
    if name is not None:
        return _as_fabric(names.get(name)) or _refuse(f"{name!r} is no fabric")
    fabrics: dict[int, tuple[str, CacheFabric]] = {}
    for called, value in names.items():
        fabric = _as_fabric(value)
        if fabric is not None and not called.startswith("_"):
            fabrics.setdefault(id(fabric), (called, fabric))
    if not fabrics:
        _refuse('no fabric here: fabric = create_cache_fabric("memory") makes one')
    if len(fabrics) > 1:
        _refuse(
            f"several fabrics here, say --of {' or --of '.join(n for n, _ in fabrics.values())}"
        )
    [(_, fabric)] = fabrics.values()
    return fabric


def _as_fabric(value: Any) -> CacheFabric | None:
    if isinstance(value, SyncCacheFabric):
        return value._fabric
    return value if isinstance(value, CacheFabric) else None


def _shown(fabric: CacheFabric, word: str | None, what: str | None, by: str | None) -> Any:
    if word == "explain":
        if what is None:
            _refuse("explain what: the id of a lookup or of an entry")
        return fabric.sync.explain(what, texts=True)
    if word == "ls":
        return _Drawn(_listed(fabric, what or "answers"))
    if word == "stats":
        return fabric.sync.metrics_frame(what, by) if by else fabric.sync.get_metrics(what)
    return fabric


def _listed(fabric: CacheFabric, kind: str) -> str:
    rows: list[Sequence[Cell]]
    if kind == "answers":
        answers = fabric.sync.list_answers(limit=_MOST)
        rows = [(one.question, one.text, one.model, one.id) for one in answers]
        return html_table("Answers, newest first", rows, ("question", "answer", "model", "id"))
    if kind == "contexts":
        entries = fabric.sync.list_contexts()[:_MOST]
        rows = [(e.key, e.version, ", ".join(e.labels), str(e.value)) for e in entries]
        return html_table("Contexts", rows, ("key", "version", "labels", "value"))
    if kind == "executions":
        runs = fabric.sync.search_executions(limit=_MOST)
        rows = [(r.execution_id, r.graph_name, r.status, r.question) for r in runs]
        return html_table("Executions, newest first", rows, ("id", "graph", "status", "asked"))
    return _refuse(f"ls what: {', '.join(_KINDS)}; not {kind!r}")


def _refuse(text: str) -> NoReturn:
    raise UsageError(f"fabric: {text}")


class _Drawn:
    def __init__(self, drawn: str) -> None:
        self._drawn = drawn

    def _repr_html_(self) -> str:
        return self._drawn


class _Options(argparse.ArgumentParser):
    """The options of a magic; what is wrong with them is told in one line."""

    def __init__(self) -> None:
        super().__init__(prog="fabric", add_help=False)
        self.add_argument("--of")

    def error(self, message: str) -> NoReturn:
        _refuse(message)


def _parsed(line: str, options: _Options) -> argparse.Namespace:
    try:
        return options.parse_args(shlex.split(line))
    except ValueError as error:
        _refuse(str(error))


_FABRIC = _Options()
_FABRIC.add_argument("word", nargs="?", choices=("stats", "ls", "explain"))
_FABRIC.add_argument("what", nargs="?")
_FABRIC.add_argument("--by")
_CACHED = _Options()
_CACHED.add_argument("--tenant")
_CACHED.add_argument("--user")
_CACHED.add_argument("--host", action="append", choices=tuple(_IMPORTED_AS), default=[])
