"""What a system message was filled from stands in the key for it, and for nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from cache_fabric.filled_prompt import VARIABLES
from cache_fabric.langchain._template import filled_from, unfilled

TEXT, VALUES = "Help {who} with {what}.", {"who": "Ann"}


def test_the_text_and_its_variables_stand_for_what_was_made_of_them() -> None:
    question = HumanMessage("How?")
    with filled_from(TEXT, VALUES):
        messages, more = unfilled([SystemMessage("Help Ann with {what}."), question])
    assert [message.content for message in messages] == [TEXT, "How?"]
    assert more == {VARIABLES: VALUES}


@pytest.mark.parametrize(
    ("values", "messages"),
    [
        (VALUES, [SystemMessage("Help Bob with {what}."), HumanMessage("How?")]),
        (VALUES, [SystemMessage(TEXT), HumanMessage("How?")]),
        (VALUES, [HumanMessage("Help Ann with {what}.")]),
        (VALUES, [SystemMessage([{"type": "text", "text": "Help Ann with {what}."}])]),
        (VALUES, []),
        ({}, [SystemMessage(TEXT)]),
    ],
)
def test_another_call_inside_the_block_is_left_as_it_is(
    values: Any, messages: list[BaseMessage]
) -> None:
    with filled_from(TEXT, values):
        assert unfilled(messages) == (messages, {})


def test_after_the_block_nothing_is_said() -> None:
    messages = [SystemMessage("Help Ann with {what}.")]
    with filled_from(TEXT, VALUES):
        pass
    assert unfilled(messages) == (messages, {})
