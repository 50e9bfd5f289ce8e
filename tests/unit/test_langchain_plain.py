"""Whatever a run is given, what is kept of it is bounded plain data, and nothing is raised."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from pydantic import BaseModel, SecretStr

from cache_fabric.langchain._plain import Allowance, Detail, plain
from cache_fabric.validation import check_json

DETAIL = Detail(characters=20, items=4)


def kept(value: Any, allowance: int = 10_000, detail: Detail = DETAIL) -> Any:
    return plain(value, Allowance(allowance), detail)


class Hostile:
    """Raises whatever is asked of it."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")


class HostileDict(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("no")


FOREIGN: list[Any] = [HostileDict(a=1), object(), math.nan, 2**80, b"x", 1 + 2j, len, Hostile()]
foreign = st.integers(0, len(FOREIGN) - 1).map(lambda n: FOREIGN[n])  # hypothesis would look in
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | foreign
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
        | inner.map(lambda value: HumanMessage("x", additional_kwargs={"v": value}))
    ),
    max_leaves=40,
)


@given(values, st.integers(0, 300))
def test_what_is_kept_is_json_within_its_bounds(value: Any, allowance: int) -> None:
    left = Allowance(allowance)
    result = plain(value, left, DETAIL)
    check_json(result)
    size = len(str(result))
    assert size <= 40 * allowance + 300


def test_a_text_is_cut_and_made_valid() -> None:
    assert kept("x" * 30) == "x" * 20 + "…"
    assert kept("\ud800ok") == "?ok"


def test_a_conversation_keeps_its_beginning_and_its_end() -> None:
    assert kept([1, 2, 3, 4, 5, 6]) == [1, "… 2 more", 4, 5, 6]


def test_of_many_fields_the_first_are_kept() -> None:
    assert kept({str(n): n for n in range(6)}) == {"0": 0, "1": 1, "2": 2, "3": 3, "…": "2 more"}


def test_one_value_cannot_use_up_more_than_is_allowed() -> None:
    left = Allowance(100)
    results = [plain("x" * 18, left, DETAIL) for _ in range(10)]
    assert results[:3] == ["x" * 18] * 3
    assert results[-1] == "…"


def test_messages_are_kept_without_their_ids() -> None:
    call: Any = {"name": "f", "args": {"a": 1}, "id": "call-1"}
    assert kept(AIMessage("hi", id="m", tool_calls=[call])) == {
        "type": "ai",
        "content": "hi",
        "tool_calls": [{"name": "f", "args": {"a": 1}}],
    }
    answer = ToolMessage("ok", tool_call_id="call-1", name="f")
    assert kept(answer) == {"type": "tool", "content": "ok", "name": "f", "status": "success"}


def test_models_and_dataclasses_are_kept_by_field() -> None:
    class Order(BaseModel):
        number: int
        key: SecretStr

    @dataclasses.dataclass
    class Point:
        x: int

    assert kept(Order(number=3, key=SecretStr("hush"))) == {"number": 3, "key": "<SecretStr>"}
    assert kept(Point(2)) == {"x": 2}
    assert kept(Document("text"))["page_content"] == "text"


@pytest.mark.parametrize("name", ["api_key", "password", "Authorization", "openai-api-key"])
def test_credentials_are_hidden(name: str) -> None:
    assert kept({"headers": {name: "hush"}}) == {"headers": {name: "***"}}


def test_a_circle_ends() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert "<list>" in str(kept(circle))


def test_a_hostile_object_is_its_class() -> None:
    assert kept(Hostile()) == "<Hostile>"
    assert kept([1, Hostile()]) == "<list>"
