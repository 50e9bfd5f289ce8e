"""A person's correction is replayed as a model's answer would be, by every host."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cache_fabric import CacheFabric
from cache_fabric.langchain import FabricCache
from cache_fabric.langchain._answer import MARK, read_generations
from cache_fabric.litellm._chat_answer import read_chat

if TYPE_CHECKING:
    from langchain_host.conftest import CountingChat


def test_a_correction_is_replayed_as_a_normal_answer(
    exact: CacheFabric, make_chat: Callable[..., CountingChat]
) -> None:
    chat = make_chat(cache=FabricCache(exact))
    assert chat.invoke("capital?").content == "Paris."
    (entry,) = exact.sync.list_answers()
    pin = exact.sync.pin_answer(entry.id, answer="Bern.", by="olga").entry_id
    message = chat.invoke("capital?")
    assert message.content == "Bern."
    assert message.response_metadata[MARK]["entry_id"] == pin
    assert len(chat._script.calls) == 1
    pinned = exact.sync.get_entry(pin)
    assert pinned is not None
    (generation,) = read_generations(pinned.payload, "chat", {})
    assert generation.text == "Bern."
    body = read_chat(pinned.payload, pinned)
    assert body["choices"][0]["message"]["content"] == "Bern."
    assert body["choices"][0]["finish_reason"] == "stop"
