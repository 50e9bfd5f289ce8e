"""A recipe gives back the request of an answer, under any text of its contexts, or is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.errors import CodecError, NotCacheable
from cache_fabric.keys import derive
from cache_fabric.recipe_form import Recipe, asked, gives_back, read_recipe, recipe_of
from cache_fabric.types import CacheEntry, CacheRequest

SECRET = b"s"
PATH = "global\x1frouter"
PROMPT = "You are a shop's support."
TEXTS = {PROMPT: (PATH, 3)}
BOUNDS = {"secret": SECRET, "namespace": "n", "max_bytes": 1 << 20}


def request(content: Any = "How do I return it?", **fields: Any) -> CacheRequest:
    messages = [
        {"role": "system", "content": PROMPT},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": content},
    ]
    return CacheRequest(**{"model": "m", "messages": messages, **fields})


def entry_of(asked: CacheRequest, answer: Any = "By post.") -> CacheEntry:
    keys = derive(asked, secret=SECRET, namespace="n", embedder="e", known=TEXTS.get)
    return CacheEntry(
        id=f"{keys.exact}.1",
        exact=keys.exact,
        partition=keys.partition,
        question=keys.question,
        payload=answer,
        model=asked.model,
        created=1.0,
        embedder="e",
        contexts=keys.contexts,
    )


def made(asked: CacheRequest) -> Recipe:
    return read_recipe(recipe_of(asked, entry_of(asked), TEXTS.get, SECRET), SECRET)


VARIANTS: dict[str, CacheRequest] = {
    "text": request(),
    "blocks": request(
        [{"type": "text", "text": "What is this?"}, {"type": "image", "data": b"\x00"}]
    ),
    "several": request(params={"n": 2}),
    "all": request(
        tools=[{"type": "function", "function": {"name": "f"}}],
        params={"temperature": 0.5, "stop": ["x"]},
        tenant="acme",
        user="ann",
    ),
    "completion": CacheRequest(
        model="m", kind="completion", messages=[{"role": "system", "content": PROMPT}]
    ),
}


@pytest.mark.parametrize("kind", VARIANTS)
def test_it_gives_back_the_request(kind: str) -> None:
    original = VARIANTS[kind]
    again = asked(made(original), entry_of(original).question, lambda _path, _behaviour: PROMPT)
    assert again == CacheRequest(
        model=original.model,
        messages=original.messages,
        tools=again.tools,
        params=original.params,
        tenant=original.tenant,
        user=original.user,
        kind=original.kind,
    )
    assert list(again.tools) == list(original.tools)
    assert gives_back(made(original), entry_of(original), **BOUNDS)  # type: ignore[arg-type]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text("ab\x00question "))
def test_any_question_and_any_candidate_come_back(question: str, text: str) -> None:
    original = request(question)
    again = asked(made(original), entry_of(original).question, lambda path, _: f"{path}{text}")
    assert again.messages[0]["content"] == f"{PATH}{text}"
    assert again.messages[3]["content"] == question
    assert gives_back(made(original), entry_of(original), **BOUNDS)  # type: ignore[arg-type]


def test_it_holds_neither_the_question_nor_the_prompt() -> None:
    data = recipe_of(request(), entry_of(request()), TEXTS.get, SECRET)
    assert b"How do I return it" not in data
    assert PROMPT.encode() not in data
    assert b"Hello!" in data


def test_a_recipe_of_a_request_that_was_changed_meanwhile_does_not_give_it_back() -> None:
    entry = entry_of(request())
    changed = request()
    changed.messages.insert(1, {"role": "user", "content": "more"})  # type: ignore[attr-defined]
    recipe = read_recipe(recipe_of(changed, entry, TEXTS.get, SECRET), SECRET)
    assert not gives_back(recipe, entry, **BOUNDS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("unfit", "reason"),
    [
        (request("x", params={"api_key": "sk-1"}), "secret"),
        (request("x", params={"extra_headers": {"Authorization": "Bearer 1"}}), "secret"),
        (request("x", params={"stop": ["x" * 20_000]}), "16384"),
    ],
)
def test_what_may_not_be_kept_has_no_recipe(unfit: CacheRequest, reason: str) -> None:
    with pytest.raises(NotCacheable, match=reason):
        recipe_of(unfit, entry_of(unfit), TEXTS.get, SECRET)


def test_contexts_that_have_changed_since_the_lookup_have_no_recipe() -> None:
    with pytest.raises(NotCacheable, match="changed"):
        recipe_of(request(), entry_of(request()), {PROMPT: (PATH, 4)}.get, SECRET)


def test_another_envelope_is_no_recipe() -> None:
    from cache_fabric.codec import pack

    with pytest.raises(CodecError):
        read_recipe(pack({"model": 1}, SECRET), SECRET)
