"""Spans: below the caller's, with the names of the conventions, and no hit is billed."""

from __future__ import annotations

import asyncio
import concurrent.futures
import subprocess
import sys
import time
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult
from opentelemetry.trace import SpanKind, StatusCode

from cache_fabric import CacheFabric, CacheOptions, CacheRequest, Usage
from cache_fabric.errors import ConfigurationError, ValidationError, VersionConflict
from cache_fabric.instrumentation import otel_names as names
from cache_fabric.instrumentation._remembered import Remembered
from cache_fabric.instrumentation.otel import instrument, uninstrument
from cache_fabric.types import Hit, Miss
from instrumentation.conftest import Told

MODEL = "gpt-4o-mini"
SPENT = Usage(input_tokens=1000, output_tokens=100, cache_read_tokens=200, reasoning_tokens=30)


def request(text: str = "is it so?", **more: Any) -> CacheRequest:
    return CacheRequest(model=MODEL, messages=[{"role": "user", "content": text}], **more)


def is_below(span: ReadableSpan, parent: Any) -> bool:
    return span.parent is not None and span.parent.span_id == parent.get_span_context().span_id


async def ask(fabric: CacheFabric, asked: CacheRequest, usage: Usage | None = SPENT) -> None:
    result = await fabric.lookup(asked)
    if isinstance(result, Miss):
        await fabric.store(result.ticket, "By post.", usage=usage, latency=1.5)


async def test_a_lookup_and_its_model_call_hang_below_the_callers_span(told: Told) -> None:
    told.start()
    with told.tracer.start_as_current_span("mine") as mine:
        await ask(told.fabric, request())
    lookup, call = told.span("cache_lookup"), told.span("chat")
    assert is_below(lookup, mine)
    assert is_below(call, mine)
    assert (lookup.kind, call.kind) == (SpanKind.INTERNAL, SpanKind.CLIENT)


def test_blocking_calls_of_many_threads_each_hang_below_their_own_span(told: Told) -> None:
    told.start()

    def work(n: int) -> tuple[int, int]:
        with told.tracer.start_as_current_span(f"mine {n}") as mine:
            told.fabric.sync.get_or_call(request(f"question number {n} of many?"), lambda: "yes")
            told.fabric.sync.set_context(f"key-{n}", "text")
        context = mine.get_span_context()
        return n, context.span_id

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        mine = dict(pool.map(work, range(16)))
    for name in ("cache_lookup", "chat", "publish_contexts"):
        parents = [span.parent.span_id for span in told.spans(name) if span.parent is not None]
        assert sorted(parents) == sorted(mine.values())


async def test_an_answer_that_is_stored_elsewhere_hangs_below_the_span_of_its_lookup(
    told: Told,
) -> None:
    told.start()
    with told.tracer.start_as_current_span("mine") as mine:
        result = await told.fabric.lookup(request())
    assert isinstance(result, Miss)
    ticket = result.ticket
    with told.tracer.start_as_current_span("a worker's own"):
        await asyncio.to_thread(lambda: told.fabric.sync.store(ticket, "By post."))
    assert is_below(told.span("chat"), mine)


async def test_without_a_span_of_the_caller_each_is_a_root(told: Told) -> None:
    told.start()
    await ask(told.fabric, request())
    assert [span.parent for span in told.spans()] == [None, None]


async def test_a_model_call_has_the_names_of_the_conventions(told: Told) -> None:
    told.start()
    await ask(told.fabric, request(options=CacheOptions(graph="support")))
    assert told.attributes("cache_lookup")["gen_ai.workflow.name"] == "support"
    call = told.span(f"chat {MODEL}")
    attributes: dict[str, Any] = dict(call.attributes or {})
    assert attributes[names.LOOKUP_ID] == told.attributes("cache_lookup")[names.LOOKUP_ID]
    assert {name: value for name, value in attributes.items() if name.startswith("gen_ai")} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": MODEL,
        "gen_ai.provider.name": "openai",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        "gen_ai.usage.cache_read.input_tokens": 200,
        "gen_ai.usage.reasoning.output_tokens": 30,
    }
    assert attributes[names.SPENT_COST] == pytest.approx(0.000195)
    assert call.end_time is not None
    assert call.start_time is not None
    assert call.end_time - call.start_time == 1_500_000_000


async def test_on_a_hit_usage_is_unset_and_what_was_avoided_is_ours(told: Told) -> None:
    await ask(told.fabric, request())
    told.start()
    with told.tracer.start_as_current_span("mine") as mine:
        await ask(told.fabric, request())
    [hit] = told.spans("c")
    attributes: dict[str, Any] = dict(hit.attributes or {})
    assert is_below(hit, mine)
    assert not [name for name in attributes if name.startswith("gen_ai.usage")]
    assert names.OPERATION not in attributes
    assert attributes[names.CACHE_RESULT] == "hit"
    assert attributes[names.CACHE_TIER] == "hot"
    assert attributes[names.AVOIDED_INPUT] == 1000
    assert attributes[names.AVOIDED_OUTPUT] == 100
    assert attributes[names.AVOIDED_COST] == pytest.approx(0.000195)
    assert 0 <= attributes[names.CACHE_ENTRY_AGE] < 60


async def test_estimated_tokens_are_not_reported_as_counted_ones(told: Told) -> None:
    told.start()
    await ask(told.fabric, request(), Usage(input_tokens=7, output_tokens=3, estimated=True))
    attributes = told.attributes("chat")
    assert not [name for name in attributes if name.startswith("gen_ai.usage")]
    assert (attributes[names.ESTIMATED_INPUT], attributes[names.ESTIMATED_OUTPUT]) == (7, 3)


async def test_a_completion_a_bypass_and_a_release_say_what_they_are(told: Told) -> None:
    told.start()
    result = await told.fabric.lookup(request(kind="completion"))
    assert isinstance(result, Miss)
    await told.fabric.release(result.ticket)
    told.fabric.bypass("m", "several answers")
    assert told.attributes("text_completion")[names.STORE_OUTCOME] == "released"
    assert told.attributes("cache_lookup m") == {
        names.REQUEST_MODEL: "m",
        names.CACHE_RESULT: "bypass",
        names.CACHE_REASON: "several answers",
    }


async def test_model_calls_are_left_to_the_clients_own_instrumentation(told: Told) -> None:
    told.start(model_calls=False)
    await ask(told.fabric, request())
    assert [span.name for span in told.spans()] == [f"cache_lookup {MODEL}"]
    assert told.points(names.TOKEN_USAGE) == told.points(names.OPERATION_DURATION) == []


async def test_a_lookup_names_the_prompt_but_not_whose_it_is(told: Told) -> None:
    scope = {"scope": "user", "tenant": "acme", "user": "CANARY-U"}
    await told.fabric.set_context("support:prompt", "Be brief.", **scope)  # type: ignore[arg-type]
    told.start()
    system = {"role": "system", "content": "Be brief."}
    asked = {"role": "user", "content": "is it so?"}
    await told.fabric.lookup(
        CacheRequest(model=MODEL, messages=[system, asked], tenant="acme", user="CANARY-U")
    )
    attributes = told.attributes("cache_lookup")
    assert attributes[names.PROMPT_NAME] == "support:prompt"
    assert attributes[names.CONTEXT_BEHAVIOUR] == 1
    assert "CANARY" not in told.everything()


async def test_a_publish_says_its_change_and_a_lost_one_is_an_error(told: Told) -> None:
    told.start()
    with told.tracer.start_as_current_span("mine") as mine:
        entry = await told.fabric.set_context("a", "x", change="breaking")
    published = told.span("publish_contexts")
    assert is_below(published, mine)
    assert dict(published.attributes or {}) == {
        names.PUBLISH_CHANGE: "breaking",
        names.PUBLISH_OUTCOME: "published",
        names.CONTEXT_KEYS: ("a",),
        names.CONTEXT_REVISION: entry.revision,
    }
    with pytest.raises(VersionConflict):
        await told.fabric.set_context("a", "y", if_version=7)
    lost = told.spans("publish_contexts")[1]
    assert lost.status.status_code is StatusCode.ERROR
    assert dict(lost.attributes or {})[names.ERROR_TYPE] == "conflict"


async def test_feedback_has_the_evaluation_names_and_links_its_run(told: Told) -> None:
    told.start()
    await told.fabric.track_execution("x1", "g", {"status": "success"})
    said = {"name": "tone", "score": 0.25, "label": "rude", "comment": "CANARY"}
    with told.tracer.start_as_current_span("mine") as mine:
        await told.fabric.record_feedback("x1", said)
    feedback, run = told.span("feedback tone"), told.span("invoke_workflow g")
    attributes = dict(feedback.attributes or {})
    assert is_below(feedback, mine)
    assert attributes["gen_ai.evaluation.name"] == "tone"
    assert attributes["gen_ai.evaluation.score.value"] == 0.25
    assert "gen_ai.evaluation.explanation" not in attributes
    assert [link.context.span_id for link in feedback.links] == [run.context.span_id]
    assert "CANARY" not in told.everything()


async def test_a_run_that_goes_on_is_one_span_with_its_steps_below_it(told: Told) -> None:
    told.start()
    with told.tracer.start_as_current_span("mine") as mine:
        run = told.fabric.start_execution("g", execution_id="x1", agent="helper", input="CANARY")
    await asyncio.to_thread(run.step, "tool", "search", input="CANARY", seconds=0.5)
    run.step("model", "m", output="CANARY", status="error")
    assert told.spans("invoke") == []
    await asyncio.to_thread(run.finish, "CANARY")
    whole = told.span("invoke_agent helper")
    tool, model = told.span("execute_tool search"), told.span("model m")
    assert is_below(whole, mine)
    assert tool.parent is not None
    assert tool.parent.span_id == whole.context.span_id
    assert (tool.end_time or 0) - (tool.start_time or 0) == 500_000_000
    assert model.status.status_code is StatusCode.ERROR
    attributes = dict(whole.attributes or {})
    assert attributes[names.WORKFLOW] == "g"
    assert attributes[names.EXECUTION_STATUS] == "success"
    assert "CANARY" not in told.everything()


async def test_a_run_handed_in_whole_has_its_own_times_and_nested_steps(told: Told) -> None:
    told.start()
    steps = [
        {"kind": "chain", "name": "plan", "id": "s1", "started": 1000.5, "seconds": 2.0},
        {"kind": "tool", "name": "find", "id": "s2", "parent": "s1", "started": 1001.0},
        {"kind": "model", "name": "m", "parent": "unknown", "cache": {"outcome": "hit"}},
    ]
    state = {"status": "error", "started": 1000.0, "seconds": 4.0, "steps": steps, "agent": None}
    state["contexts"] = ["router:prompt@3"]
    told.fabric.track_soon("x1", "g", state)
    whole, plan = told.span("invoke_workflow g"), told.span("chain plan")
    assert (whole.start_time, whole.end_time) == (1_000_000_000_000, 1_004_000_000_000)
    assert whole.status.status_code is StatusCode.ERROR
    attributes = dict(whole.attributes or {})
    assert (attributes[names.PROMPT_NAME], attributes[names.PROMPT_VERSION]) == (
        "router:prompt",
        "3",
    )
    assert (plan.start_time, plan.end_time) == (1_000_500_000_000, 1_002_500_000_000)
    parents = {span.name: span.parent and span.parent.span_id for span in told.spans()}
    assert parents["chain plan"] == parents["model m"] == whole.context.span_id
    assert parents["execute_tool find"] == plan.context.span_id
    assert told.attributes("model m")[names.CACHE_RESULT] == "hit"


async def test_no_span_of_an_execution_counts_tokens_again(told: Told) -> None:
    told.start()
    tokens = {"input": 5, "output": 5, "total": 10}
    step = {"kind": "model", "name": "m", "tokens": tokens}
    told.fabric.track_soon("x1", "g", {"tokens": tokens, "steps": [step]})
    assert len(told.spans()) == 2
    assert "gen_ai.usage" not in told.everything()


async def test_a_huge_run_makes_a_bounded_number_of_spans(told: Told) -> None:
    told.start()
    steps = [{"kind": "tool", "name": "t"} for _ in range(5000)]
    told.fabric.track_soon("x1", "g", {"steps": steps})
    assert len(told.spans()) == 129


def test_runs_that_nobody_ends_do_not_pile_up_and_are_exported(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cache_fabric.instrumentation._otel_runs._MOST_OPEN", 3)
    told.start()
    begun = [told.fabric.start_execution(f"g{n}") for n in range(5)]
    assert [span.name for span in told.spans()] == ["invoke_workflow g0", "invoke_workflow g1"]
    begun[0].finish()
    assert [span.name for span in told.spans()][2:] == ["invoke_workflow g0"]


@pytest.mark.parametrize(
    "number", [-5.0, -1e300, 1e300, float("inf"), float("-inf"), float("nan"), 1e12]
)
@pytest.mark.parametrize("name", ["started", "seconds"])
async def test_a_run_of_impossible_times_has_spans_that_an_exporter_can_write(
    told: Told, number: float, name: str
) -> None:
    told.start()
    before = time.time_ns()
    state = {"started": before / 1e9, "seconds": 1.0, name: number}
    told.fabric.track_soon("x", "g", {**state, "steps": [{"kind": "tool", "name": "t", **state}]})
    for span in (told.span("invoke_workflow"), told.span("execute_tool")):
        assert span.start_time is not None
        assert span.end_time is not None
        assert 0 <= span.start_time <= span.end_time < 2**63


def test_what_is_remembered_is_bounded_and_says_what_had_to_go() -> None:
    table: Remembered[str, int] = Remembered(2)
    gone = [table.put(*item) for item in (("a", 1), ("b", 2), ("a", 3), ("c", 4))]
    assert gone == [[], [], [1], [2]]
    assert (table.get("a"), table.get("b"), table.pop("c"), table.pop("c")) == (3, None, 4, None)
    assert (table.clear(), table.clear()) == ([3], [])


CANARIES = ("CANARY-SYSTEM", "CANARY-ASKED", "CANARY-SAID", "CANARY-COMMENT", "CANARY-GIVEN")


async def use_everything(fabric: CacheFabric) -> None:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "CANARY-SYSTEM"},
        {"role": "user", "content": [{"type": "text", "text": "CANARY-ASKED?"}]},
    ]
    asked = CacheRequest(model="m", messages=messages, params={"api_key": "SECRET-KEY"})
    await fabric.get_or_call(asked, lambda: "CANARY-SAID")
    assert isinstance(await fabric.lookup(asked), Hit)
    with fabric.start_execution("g", execution_id="x1", input="CANARY-GIVEN") as run:
        run.step("tool", "t", input={"q": "CANARY-GIVEN"}, output="CANARY-SAID")
        run.finish("CANARY-SAID")
    whole = {"input": "CANARY-GIVEN", "steps": [{"input": "CANARY-GIVEN", "kind": "tool"}]}
    fabric.track_soon("x2", "g", whole)
    await fabric.record_feedback("x1", {"score": 0, "comment": "CANARY-COMMENT"})


async def test_no_content_leaves_the_process_unless_it_is_switched_on(told: Told) -> None:
    told.start()
    await use_everything(told.fabric)
    everything = told.everything()
    assert len(told.spans()) >= 8
    assert "CANARY" not in everything
    assert "SECRET" not in everything


async def test_content_that_is_switched_on_is_in_the_conventions_form(told: Told) -> None:
    told.start(content=True)
    await use_everything(told.fabric)
    everything = told.everything()
    assert [canary for canary in CANARIES if canary not in everything] == []
    assert "SECRET" not in everything
    call = told.attributes("chat")
    system = '[{"type": "text", "content": "CANARY-SYSTEM"}]'
    assert call["gen_ai.system_instructions"] == system
    asked = '[{"role": "user", "parts": [{"type": "text", "content": "CANARY-ASKED?"}]}]'
    assert call["gen_ai.input.messages"] == asked
    said = '[{"role": "assistant", "parts": [{"type": "text", "content": "CANARY-SAID"}]}]'
    assert call["gen_ai.output.messages"] == said
    tool = told.spans("execute_tool")[0].attributes or {}
    assert tool["gen_ai.tool.call.arguments"] == '{"q": "CANARY-GIVEN"}'


async def test_uninstrumented_it_is_silent_and_open_runs_have_been_ended(told: Told) -> None:
    told.start()
    told.fabric.start_execution("g")
    uninstrument(told.fabric)
    assert len(told.spans("invoke_workflow")) == 1
    await ask(told.fabric, request())
    assert len(told.spans()) == 1
    uninstrument(told.fabric)


def test_a_fabric_is_instrumented_once(told: Told) -> None:
    told.start()
    with pytest.raises(ConfigurationError, match="instrumented already"):
        told.start()


@pytest.mark.parametrize(
    ("given", "options", "field"),
    [("redis", {}, "fabric"), (None, {"content": "false"}, "content")],
)
def test_what_cannot_be_instrumented_is_named(
    told: Told, given: Any, options: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        instrument(given or told.fabric, **options)
    assert caught.value.field == field


async def test_a_tracer_that_raises_costs_no_answer(told: Told) -> None:
    class Broken(Sampler):
        def should_sample(self, *_: Any, **__: Any) -> SamplingResult:
            raise RuntimeError

        def get_description(self) -> str:
            return "broken"

    instrument(told.fabric, tracer_provider=TracerProvider(Broken(), shutdown_on_exit=False))
    assert await told.fabric.get_or_call(request(), lambda: "By post.") == "By post."


def test_without_the_api_the_install_command_is_named() -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "import cache_fabric\n"
        "try:\n    import cache_fabric.instrumentation.otel\n"
        "except cache_fabric.errors.MissingExtraError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert "pip install 'cache-fabric[otel]'" in done.stdout


async def test_the_answers_of_now_are_not_older_than_now(told: Told) -> None:
    before = time.time_ns()
    told.start()
    await ask(told.fabric, request())
    lookup = told.span("cache_lookup")
    assert before <= (lookup.start_time or 0) <= (lookup.end_time or 0) <= time.time_ns()
