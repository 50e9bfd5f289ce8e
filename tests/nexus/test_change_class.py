"""What a change of a context means for those who read it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.nexus.change_class import change_class

WORDS = st.lists(st.text("aZ9.,{é日😀", min_size=1, max_size=5), max_size=8)
BLANKS = st.text(" \t\n\r\u00a0", min_size=1, max_size=3)


@given(WORDS, st.data())
def test_white_space_between_words_is_cosmetic(words: list[str], data: st.DataObject) -> None:
    def spread() -> str:
        return "".join(data.draw(BLANKS) + word for word in words) + data.draw(BLANKS)

    one, two = spread(), spread()
    assert change_class(one, two, "system_prompt") == (None if one == two else "cosmetic")


@given(WORDS, WORDS)
def test_other_words_are_another_behaviour(one: list[str], two: list[str]) -> None:
    expected = None if one == two else "behaviour"
    assert change_class(" ".join(one), " ".join(two), "prompt") == expected


def test_white_space_inside_a_word_is_no_white_space_between_words() -> None:
    assert change_class("a user", "au ser", "system_prompt") == "behaviour"


def test_a_text_that_asks_for_more_is_breaking_and_one_that_asks_for_less_is_not() -> None:
    asks = {"asked_before": ("post",), "asks": ("post", "rules")}
    assert change_class("Judge {post}", "Judge {post} {rules}", "prompt", **asks) == "breaking"
    fewer = {"asked_before": ("post", "rules"), "asks": ("post",)}
    assert change_class("Judge {post} {rules}", "Judge {post}", "prompt", **fewer) == "behaviour"


@pytest.mark.parametrize("kind", ["system_prompt", "tool_definition"])
def test_data_in_place_of_a_text_is_breaking(kind: Any) -> None:
    assert change_class("text", {"text": "text"}, kind) == "breaking"
    assert change_class({"text": "text"}, "text", kind) == "breaking"


TOOL: dict[str, Any] = {
    "name": "lookup",
    "description": "Finds a post.",
    "protocol": "mcp",
    "config": {"command": "serve"},
    "input_schema": {
        "type": "object",
        "properties": {
            "id": {"type": "string", "description": "Of the post."},
            "description": {"type": "string"},
        },
        "required": ["id"],
    },
    "output_schema": None,
}


def changed(path: str, value: Any) -> dict[str, Any]:
    tool = copy.deepcopy(TOOL)
    place = tool
    *above, last = path.split("/")
    for step in above:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return tool


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("description", "Finds a  post.\n", "cosmetic"),
        ("description", "Finds one post.", "behaviour"),
        ("input_schema/properties/id/description", "Its id.", "behaviour"),
        ("input_schema/properties/id/description", None, "behaviour"),
        ("input_schema/properties/id/description", " Of the post. ", "cosmetic"),
        ("config/command", "serve --fast", "behaviour"),
        ("name", "find", "breaking"),
        ("protocol", "http", "breaking"),
        ("input_schema/properties/id/type", "integer", "breaking"),
        ("input_schema/properties/id/enum", ["a"], "breaking"),
        ("input_schema/properties/id/default", {"description": "x"}, "breaking"),
        ("input_schema/properties/description/type", "integer", "breaking"),
        ("input_schema/properties/description", None, "breaking"),
        ("input_schema/required", None, "breaking"),
        ("output_schema", {"type": "object"}, "breaking"),
    ],
)
def test_a_tool_breaks_by_its_signature_and_not_by_its_words(
    path: str, value: Any, expected: str
) -> None:
    assert change_class(TOOL, changed(path, value), "tool_definition") == expected


def test_a_value_that_python_takes_for_equal_is_a_change() -> None:
    one = changed("input_schema/properties/id/default", 1)
    two = changed("input_schema/properties/id/default", True)
    assert one == two
    assert change_class(one, two, "tool_definition") == "breaking"


def test_the_order_of_keys_is_no_change() -> None:
    assert change_class(TOOL, dict(reversed(TOOL.items())), "tool_definition") is None


def test_only_the_descriptions_of_a_graph_can_change_cosmetically() -> None:
    graph = {"description": "Moderates posts.", "entry_node": "triage", "routes": ["a b"]}
    spaced = {**graph, "description": " Moderates  posts. "}
    assert change_class(graph, spaced, "graph_metadata") == "cosmetic"
    assert change_class(graph, {**graph, "routes": ["a  b"]}, "graph_metadata") == "behaviour"
