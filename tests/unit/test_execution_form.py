"""An execution is read as it was handed in, whatever JSON its state holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.errors import CodecError
from cache_fabric.execution_form import (
    Body,
    Event,
    document_of,
    event_document,
    execution_of,
    filled,
    read,
    references,
)
from cache_fabric.execution_terms import terms_of
from cache_fabric.run_state import RunState

SECRET = b"secret"
LONG = "a long text, " * 60

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    [LONG, LONG + "é", "x" * 511, "x" * 512, "é" * 256]
)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
states = st.dictionaries(
    st.sampled_from(
        ["input", "output", "error", "steps", "cache", "contexts", "tokens", "cost", "status", "x"]
    ),
    plain,
    max_size=6,
)
names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


def through(one: Any, document: Any, secret: bytes = SECRET) -> Any:
    """Return what is read of a document and its blobs."""
    kept = read(document.value, type(one), secret)
    fields = {name: getattr(kept, name) for name in kept.__struct_fields__}
    blobs = {blob.key: blob.value for blob in document.blobs}
    assert set(references(fields)) == set(blobs)
    return type(one)(**filled(fields, blobs, kept.tenant, secret))


@given(states, st.none() | names, st.none() | names, st.lists(names, max_size=3))
def test_what_is_read_is_what_was_handed_in(
    state: dict[str, Any], tenant: str | None, user: str | None, tags: list[str]
) -> None:
    body = Body(
        execution_id="a", graph_name="g", state=state, at=1.5, tags=tags, tenant=tenant, user=user
    )
    back = through(body, document_of(body, SECRET))
    assert back.state == state
    assert (back.tenant, back.user, back.tags, back.at) == (tenant, user, tags, 1.5)
    execution = execution_of(back)
    assert execution.complete
    for name in ("status", "agent", "conversation", "tokens", "cost", "question", "contexts"):
        assert getattr(execution, name) == getattr(execution_of(body), name)
    assert execution.answers == execution_of(body).answers


@given(st.dictionaries(names, plain, max_size=4))
def test_a_step_is_read_as_it_was_told(step: dict[str, Any]) -> None:
    event = Event(execution_id="a", run="r", place=3, step=step, at=1.0)
    assert through(event, event_document(event, SECRET)) == event


@given(
    st.lists(st.tuples(st.integers(0, 9), st.dictionaries(names, plain, max_size=2)), max_size=9),
    st.none() | st.integers(0, 10),
)
def test_steps_come_in_order_with_their_gaps(
    steps: list[tuple[int, dict[str, Any]]], events: int | None
) -> None:
    by_place = dict(steps)
    body = Body(
        execution_id="a",
        graph_name="g",
        state={"steps": ["its own"]},
        at=1.0,
        run="r",
        events=events,
        steps=list(by_place.items()),
    )
    execution = execution_of(body)
    assert execution.steps == ("its own", *(by_place[place] for place in sorted(by_place)))
    known = max(by_place, default=-1) + 1 if events is None else events
    assert set(execution.gaps) == set(range(known)) - set(by_place)
    assert execution.complete == (events is not None and events == len(by_place))


def test_a_long_text_has_one_key_for_a_tenant_and_another_for_the_next() -> None:
    def key(tenant: str | None, text: str = LONG) -> str:
        body = Body(execution_id="a", graph_name="g", state={"x": [text]}, at=1.0, tenant=tenant)
        [blob] = document_of(body, SECRET).blobs
        return blob.key

    keys = [key(None), key("acme"), key("other"), key("acme", LONG + ".")]
    assert len(set(keys)) == 4
    assert key("acme") == keys[1]


@pytest.mark.parametrize("blobs", [{}, {"swapped": True}])
def test_a_text_that_is_missing_or_changed_is_unreadable(blobs: dict[str, bool]) -> None:
    body = Body(execution_id="a", graph_name="g", state={"input": LONG}, at=1.0)
    document = document_of(body, SECRET)
    [blob] = document.blobs
    there = {blob.key: b"another text"} if blobs else {}
    with pytest.raises(CodecError):
        filled(read(document.value, Body, SECRET).state, there, None, SECRET)


def test_another_secret_or_another_form_is_unreadable() -> None:
    body = Body(execution_id="a", graph_name="g", state={}, at=1.0)
    event = Event(execution_id="a", run="r", place=0, step={}, at=1.0)
    with pytest.raises(CodecError):
        read(document_of(body, SECRET).value, Body, b"another")
    with pytest.raises(CodecError):
        read(event_document(event, SECRET).value, Body, SECRET)


@given(states)
def test_every_state_has_terms_that_a_store_can_hold(state: dict[str, Any]) -> None:
    for name, value in terms_of(state, graph="g"):
        assert name
        assert 0 < len(value) <= 256


class State(RunState):
    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state


@pytest.mark.parametrize(
    ("state", "question"),
    [
        ({"input": " Where? "}, "Where?"),
        ({"input": {"question": "Where?"}}, "Where?"),
        ({"input": {"messages": [{"role": "user", "content": "Where?"}]}}, "Where?"),
        ({"input": [{"type": "human", "content": "a"}, {"type": "ai", "content": "b"}]}, "a"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "Where?"}]}]},
            "Where?",
        ),
        (
            {"input": {"messages": [{"role": "system", "content": "s"}], "input": "Where?"}},
            "Where?",
        ),
        ({"input": {"amount": 5}}, None),
        ({"input": ""}, None),
        ({}, None),
    ],
)
def test_the_question_of_a_run_is_what_its_user_asked(
    state: dict[str, Any], question: str | None
) -> None:
    assert State(state).question == question
