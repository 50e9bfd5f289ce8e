"""From events to executions: what a start, an end and an answer add to a run's trace."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from langchain_core.outputs import ChatGeneration, Generation, LLMResult

from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain import _events as events
from cache_fabric.langchain._answer import to_answer
from cache_fabric.langchain._lookups import Asking, asking
from cache_fabric.langchain._outcome import usage_of
from cache_fabric.langchain._plain import Detail, plain
from cache_fabric.langchain._run_names import EXECUTION, TENANT, USER
from cache_fabric.langchain._runs import Run, Runs
from cache_fabric.langchain._trace import Kind, Status, Step, Trace
from cache_fabric.offline_encodings import at_hand
from cache_fabric.token_estimates import settled
from cache_fabric.types import Usage

__all__ = ["Tracker"]

_MOST_CONTEXTS = 64
_OF_RUN = Detail(characters=4_000, items=24)
_OF_STEP = Detail(characters=2_000, items=24)
_OF_CHAIN = Detail(characters=400, items=8)  # a chain repeats what the steps inside it hold


class Tracker:
    """Follows runs for one handler; the arguments are those of `FabricCallbackHandler`."""

    def __init__(self, fabric: CacheFabric, graph: str | None, tags: Iterable[str]) -> None:
        self.fabric = fabric
        self.runs = Runs.of(fabric)
        self._graph = None if graph is None else events.label(graph)
        self._tags = [events.label(tag) for tag in tags]
        fabric.prices.find("")  # reads the table now, so that no run waits for its file

    def begin(
        self,
        kind: Kind,
        name: str,
        given: Any,
        run_id: Any,
        parent_id: Any,
        tags: Sequence[str] | None,
        metadata: Mapping[str, Any] | None,
    ) -> Step | None:
        """Take a run up; returns the step that it leaves, if it leaves one."""
        tags, metadata = tags or (), metadata or {}

        def make_trace() -> Trace:
            graph = self._graph or events.label(name)
            return Trace(id=str(run_id), graph=graph, raw_tags=tags, raw_metadata=metadata)

        def make_step(trace: Trace, outer: Step | None) -> Step | None:
            if events.is_plumbing(tags) or (kind == "chain" and trace.id == str(run_id)):
                return None
            return _step(kind, name, str(run_id), outer)

        run = self.runs.open(run_id, parent_id, make_trace, make_step)
        if run is None:
            return None
        self._describe(run, tags, metadata)
        _take(run, given)
        for given_up in self.runs.overdue():
            self._hand_over(given_up)
        return run.step

    def ask(self, step: Step, run_id: Any, prompts: int) -> None:
        """Let a cache tell what comes of a model step that asks it, where only one asks."""
        graph = self.runs.graph_of(run_id)
        step.asking = Asking(graph=graph) if prompts == 1 else None
        asking(step.asking)

    def take(self, run_id: Any, given: Any) -> None:
        """Keep the input of a run that has begun."""
        run = self.runs.find(run_id)
        if run is not None:
            _take(run, given)

    def end(
        self, run_id: Any, status: Status, output: Any = None, error: BaseException | None = None
    ) -> None:
        """End a run; one whose start was not heard is passed over."""
        run = self.runs.close(run_id)
        if run is not None:
            self._finish(run, status, output, error)

    def end_model(
        self,
        run_id: Any,
        status: Status,
        response: LLMResult | None,
        error: BaseException | None = None,
    ) -> None:
        """End a model's run with its answer, or with what came of it."""
        run = self.runs.close(run_id)
        if run is None:
            return
        answers: list[Any] = []
        try:
            generations = response.generations[0] if response and response.generations else []
            answers = [g.message if isinstance(g, ChatGeneration) else g.text for g in generations]
            self._account(run, response, generations)
        finally:
            self._finish(run, status, answers[0] if len(answers) == 1 else answers, error)

    def _finish(self, run: Run, status: Status, output: Any, error: BaseException | None) -> None:
        """Write down how a run ended, and hand the execution over if it was the root."""
        trace, step = run.trace, run.step
        fault = None if error is None or status == "success" else events.error_of(error)
        if step is not None:
            step.seconds = time.monotonic() - step.clock
            step.status, step.error = status, fault
            if step.is_listed:
                step.output = plain(output, trace.own, _detail(step))
            self.runs.settle(run)
        if run.is_root:
            trace.status, trace.error = status, fault
            trace.output = plain(output, trace.of_output, _OF_RUN)
            self._hand_over(trace)

    def _account(self, run: Run, response: Any, generations: Sequence[Generation]) -> None:
        """Write down what an answer cost, or what it saved."""
        step = run.step
        if step is None:
            return
        asked, step.asking = step.asking, None
        if asked is not None:
            step.cache, asked.graph = asked.told, None
            run.trace.belongs_to(asked.tenant, asked.user)
        if not generations:
            return
        step.answered = True
        usage, mark = usage_of(generations), events.mark_of(generations)
        if mark is not None:
            step.cache = events.hit_of(mark, usage, asked.hit if asked else None)
            return
        if usage is None and asked is not None and asked.request is not None:
            answer = to_answer(generations, asked.request.kind)
            usage = settled(None, asked.request, answer, at_hand)
        reported = list(events.models_reported(response, generations))
        step.model = step.model or next(iter(reported), None)
        step.usage, step.cost = usage, self._cost(usage, step.model, *reported)

    def streams(self, run_id: Any) -> None:
        """Note the time to the first token."""
        run = self.runs.find(run_id)
        if run is not None and run.step is not None and not run.step.answered:
            run.step.answered = True
            run.step.first_token = time.monotonic() - run.step.clock

    def retry(self, run_id: Any, failures: int) -> None:
        """Note how many tries have failed so far."""
        run = self.runs.find(run_id)
        if run is not None and run.step is not None:
            run.step.retries = int(failures)

    def add_hit(self, said: Mapping[str, Any], run_id: Any) -> None:
        """Add the step of a model or a tool that a hit of our middleware stood in for."""
        around = self.runs.find(run_id)
        if around is None or around.trace.said is said:
            return
        around.trace.said = said
        _add_contexts(around.trace, said)
        around.trace.belongs_to(said.get("tenant"), said.get("user"))
        kind: Kind = "tool" if said.get("kind") == "tool" else "model"
        model = events.model_of({}, said)
        name = events.name_of(model or kind, None, said.get("name"))
        key = object()  # LangChain has no run here, so there is no id to be found again by

        def make_step(_: Trace, outer: Step | None) -> Step:
            return _step(kind, name, str(uuid4()), outer)

        run = self.runs.open(key, run_id, _no_trace, make_step)
        if run is not None and run.step is not None:
            run.step.model = model
            run.step.cache = events.hit_of(said, None, said.get("hit"))
            _take(run, said.get("input"))
        self.end(key, "success", said.get("output"))

    def _describe(self, run: Run, tags: Sequence[str], metadata: Mapping[str, Any]) -> None:
        trace, step = run.trace, run.step
        _add_contexts(trace, metadata)
        if run.is_root:
            trace.tags = list(dict.fromkeys([*self._tags, *events.own_tags(tags, ())]))
            trace.metadata = events.own_metadata(metadata, {}, trace.of_input)
            trace.thread_id = events.thread_of(metadata)
            trace.belongs_to(metadata.get(TENANT), metadata.get(USER))
            trace.is_known_as(metadata.get(EXECUTION))
        elif step is not None and step.is_listed:
            step.tags = events.own_tags(tags, trace.raw_tags)
            step.metadata = events.own_metadata(metadata, trace.raw_metadata, trace.own)
            if events.is_node(step.name, tags, metadata):
                trace.nodes.append(step.name)

    def _cost(self, usage: Usage | None, *models: str | None) -> int | None:
        if usage is None:
            return None
        costs = (self.fabric.prices.cost_micros(m, usage) for m in models if m is not None)
        return next((cost for cost in costs if cost is not None), None)

    def _hand_over(self, trace: Trace) -> None:
        self.fabric.track_soon(
            trace.known_as or trace.id,
            trace.graph,
            trace.state(),
            tags=trace.tags,
            tenant=trace.tenant,
            user=trace.user,
        )


def _add_contexts(trace: Trace, said: Mapping[str, Any]) -> None:
    for context in events.contexts_of(said):
        if context not in trace.contexts and len(trace.contexts) < _MOST_CONTEXTS:
            trace.contexts.append(context)


def _step(kind: Kind, name: str, step_id: str, outer: Step | None) -> Step:
    parent = None if outer is None else outer.id
    return Step(kind=kind, name=name, id=step_id, parent=parent)


def _take(run: Run, given: Any) -> None:
    trace = run.trace
    if run.step is not None and run.step.is_listed:
        run.step.input = plain(given, trace.own, _detail(run.step))
    if run.is_root:
        trace.input = plain(given, trace.of_input, _OF_RUN)


def _detail(step: Step) -> Detail:
    return _OF_CHAIN if step.kind == "chain" else _OF_STEP


def _no_trace() -> Trace:
    raise LookupError("the run around it has just ended")
