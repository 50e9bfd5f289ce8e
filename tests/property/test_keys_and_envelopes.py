"""Keys are injective and envelopes are faithful, for whatever plain data comes."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric import codec
from cache_fabric.errors import CodecError
from cache_fabric.keys import canonical, derive
from cache_fabric.types import CacheRequest

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def told_apart(value: Any) -> Any:
    """Return a value that is equal only for the same type and the same content."""
    if isinstance(value, dict):
        return ("dict", frozenset((key, told_apart(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("list", tuple(told_apart(item) for item in value))
    return (type(value).__name__, repr(value))


def shuffled(value: Any, rng: random.Random) -> Any:
    """Return the same data with every dict in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(item, rng)) for key, item in value.items()]
        rng.shuffle(items)
        return dict(items)
    return [shuffled(item, rng) for item in value] if isinstance(value, list) else value


@given(DATA, DATA)
def test_bytes_are_equal_exactly_for_equal_data(one: Any, two: Any) -> None:
    assert (canonical(one) == canonical(two)) == (told_apart(one) == told_apart(two))


@given(DATA, st.randoms(use_true_random=False))
def test_the_order_of_dicts_never_counts(value: Any, rng: random.Random) -> None:
    assert canonical(shuffled(value, rng)) == canonical(value)


@given(TEXT.filter(str.strip), TEXT.filter(str.strip), TEXT, TEXT)
def test_question_and_system_prompt_never_trade_places(
    question: str, other: str, system: str, tenant: str
) -> None:
    def exact(asked: str, prompt: str) -> str:
        messages = [{"role": "system", "content": prompt}, {"role": "user", "content": asked}]
        request = CacheRequest(model="m", messages=messages, tenant=tenant)
        return derive(request, secret=b"s", namespace="n", embedder="e").exact

    assert (exact(question, system) == exact(other, system)) == (question == other)
    assert (exact(question, system) == exact(system or "x", question)) == (
        question == (system or "x") and system == question
    )


@given(DATA, st.binary(max_size=8))
def test_an_envelope_gives_back_what_went_in(value: Any, secret: bytes) -> None:
    assert told_apart(codec.unpack(codec.pack(value, secret), secret)) == told_apart(value)


@given(DATA, st.data())
def test_a_changed_byte_anywhere_is_refused(value: Any, data: st.DataObject) -> None:
    envelope = bytearray(codec.pack(value, b"s"))
    position = data.draw(st.integers(0, len(envelope) - 1))
    envelope[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CodecError):
        codec.unpack(bytes(envelope), b"s")


@given(st.binary(max_size=200))
def test_no_bytes_of_a_stranger_are_an_envelope(data: bytes) -> None:
    with pytest.raises(CodecError):
        codec.unpack(data, b"s")


WHOSE = st.fixed_dictionaries(
    {"tenant": st.none() | TEXT, "user": st.none() | TEXT, "history": st.lists(TEXT, max_size=2)}
)


@given(WHOSE, WHOSE, TEXT, TEXT)
def test_a_family_knows_the_task_and_a_partition_also_whose_it_is(
    whose: dict[str, Any], other: dict[str, Any], system: str, model: str
) -> None:
    def derived(owner: dict[str, Any], prompt: str, name: str) -> tuple[str, str]:
        said = [{"role": "assistant", "content": text} for text in owner["history"]]
        asked = {"role": "user", "content": "How?"}
        request = CacheRequest(
            model=name,
            messages=[{"role": "system", "content": prompt}, *said, asked],
            tenant=owner["tenant"],
            user=owner["user"],
        )
        found = derive(request, secret=b"s", namespace="n", embedder="e")
        return found.family, found.partition

    family, partition = derived(whose, system, model)
    theirs, elsewhere = derived(other, system, model)
    assert theirs == family
    assert (elsewhere == partition) == (other == whose)
    assert derived(whose, system + "x", model)[0] != family
    assert derived(whose, system, model + "x")[0] != family
