"""Exact counts where tiktoken's files lie on this machine, and no network in any case."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cache_fabric.offline_encodings import Encodings, folders

pytest.importorskip("tiktoken")
LITELLM = next((f for f in folders() if f.name == "tokenizers" and f.is_dir()), None)
with_litellm = pytest.mark.skipif(LITELLM is None, reason="litellm is not installed")


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What was asked of the network: it fails the test, in whatever thread it was."""
    asked: list[Any] = []

    def refuse(*args: Any, **kwargs: Any) -> Any:
        asked.append(args)
        raise OSError("no network here")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield asked
    assert asked == []


def read(encodings: Encodings, model: str) -> Callable[[str], int] | None:
    """Ask until the encoding has been read, or is known not to be here."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        count = encodings.at_hand(model)
        if count is not None or (encodings._name_of and not encodings._reading.locked()):
            return count or encodings.at_hand(model)
        time.sleep(0.01)
    raise AssertionError("the thread does not end")


@with_litellm
@pytest.mark.parametrize("model", ["gpt-4o", "openai/gpt-5-mini", "azure/gpt-4o-mini"])
def test_files_inside_litellm_serve(model: str) -> None:
    assert LITELLM is not None
    count = read(Encodings(lambda: [Path("/nowhere"), LITELLM]), model)
    assert count is not None
    assert count("hello world") == 2
    assert count("<|endoftext|>") > 1  # what a user writes is text, not a mark of the model's
    assert count("\ud800") > 0


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4", "davinci", "gpt2"])
def test_without_a_file_nothing_is_fetched_and_nothing_counts(tmp_path: Path, model: str) -> None:
    assert read(Encodings(lambda: [tmp_path]), model) is None


@with_litellm
def test_a_file_that_is_not_as_it_was_is_passed_over_and_left_alone(tmp_path: Path) -> None:
    assert LITELLM is not None
    for file in LITELLM.iterdir():
        if len(file.name) == 40:
            (tmp_path / file.name).write_bytes(b"IQ== 0\n")
    assert read(Encodings(lambda: [tmp_path]), "gpt-4o") is None
    assert {file.read_bytes() for file in tmp_path.iterdir()} == {b"IQ== 0\n"}


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "gemini/gemini-2.5-flash", "", "/"])
def test_a_model_of_another_maker_is_not_counted_with_openais_words(
    tmp_path: Path, model: str
) -> None:
    def no_folders() -> list[Path]:
        raise AssertionError("nothing is looked for")

    assert read(Encodings(no_folders), model) is None


def test_a_question_does_not_wait_for_the_file(tmp_path: Path) -> None:
    def slow() -> Iterator[Path]:
        while not asked:
            time.sleep(0.001)
        yield tmp_path

    asked: list[bool] = []
    encodings = Encodings(slow)
    assert encodings.at_hand("gpt-4o") is None
    assert encodings.at_hand("gpt-4o") is None
    asked.append(True)
    assert read(encodings, "gpt-4o") is None
