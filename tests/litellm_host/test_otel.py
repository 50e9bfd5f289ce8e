"""LiteLLM under OpenTelemetry: it hands answers in from elsewhere, and they find their place."""

from __future__ import annotations

from typing import Any

from cache_fabric import CacheFabric
from cache_fabric.instrumentation import otel_names as names
from cache_fabric.litellm import enable
from instrumentation.conftest import Told
from litellm_host.asking import aeventually, asked, litellm


async def test_a_call_and_its_repetition_hang_below_the_callers_span(
    exact: CacheFabric, call: dict[str, Any]
) -> None:
    told = Told(exact)
    told.start()
    enable(exact)
    with told.tracer.start_as_current_span("mine") as mine:
        await litellm.acompletion(messages=asked("is it so?"), **call)
        await aeventually(lambda: told.spans("chat") != [])
        await litellm.acompletion(messages=asked("is it so?"), **call)
    outcomes = [
        s.attributes[names.CACHE_RESULT] for s in told.spans("cache_lookup") if s.attributes
    ]
    assert outcomes == ["miss", "hit"]
    ours = [*told.spans("cache_lookup"), told.span("chat")]
    mine_id = mine.get_span_context().span_id
    assert {span.parent and span.parent.span_id for span in ours} == {mine_id}
    spent = told.attributes("chat")
    assert spent[names.USAGE_INPUT] > 0
    assert "gen_ai.usage" not in "".join(s.to_json() for s in told.spans("cache_lookup"))
    told.stop()
