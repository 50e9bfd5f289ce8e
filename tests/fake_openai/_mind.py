"""What the model answers, by rule and whatever the API it is asked through.

* A tool is called when ``tool_choice`` demands one, or when the last user text names one of the
  words of its name; its arguments come from the numbers and quoted words of that text.
* After tool messages the answer repeats their results.
* A response schema gets a valid instance; JSON mode an object with the quoted names as keys.
* Any other answer repeats the last user text, and ends with a digest of the whole request: a
  request that differs in anything gets another answer.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fake_openai._schema import Filler, keys_named_in

_TOKEN = re.compile(r"\W?\w+|\W")
_SHORTEST_WORD = 4
_UNHEARD = ("stream", "stream_options", "n")
"""Fields that a model does not see."""


@dataclass(frozen=True)
class Message:
    role: str
    text: str


@dataclass(frozen=True)
class Asked:
    """A request, in the words that both APIs share."""

    messages: list[Message]
    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tool_choice: str = "auto"
    """``none``, ``auto``, ``required``, or the name of a tool."""
    schema: Mapping[str, Any] | None = None
    json_mode: bool = False
    stop: list[str] = field(default_factory=list)
    max_tokens: int | None = None
    digest: str = ""


@dataclass(frozen=True)
class Reply:
    """An answer; ``finish`` is ``stop``, ``length``, ``content_filter`` or ``tool_calls``."""

    text: str
    calls: list[tuple[str, str]]
    """Names and arguments, these as JSON."""
    finish: str
    tokens_in: int

    @property
    def pieces(self) -> list[str]:
        return tokens(self.text)

    @property
    def tokens_out(self) -> int:
        return len(self.pieces) + sum(len(tokens(name + args)) for name, args in self.calls)


def tokens(text: str) -> list[str]:
    """Pieces of the text that a stream sends; together they are the text again."""
    return _TOKEN.findall(text)


def digest(body: Mapping[str, Any]) -> str:
    """Eight letters that stand for all that a model sees of a request."""
    seen = {name: value for name, value in body.items() if name not in _UNHEARD}
    told = re.sub(r"call_\d+_\d+", "call", json.dumps(seen, sort_keys=True))
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def think(asked: Asked, choice: int = 0, ending: str | None = None) -> Reply:
    """Answer by the rules above; ``ending`` is a finish reason that a fault dictates."""
    tokens_in = sum(len(tokens(message.text)) + 1 for message in asked.messages)
    calls = _calls(asked)
    if calls and ending is None:
        return Reply("", calls, "tool_calls", tokens_in)
    text, finish = _text(asked, choice), "stop"
    cuts = [text.index(word) for word in asked.stop if word in text]
    text = text[: min(cuts, default=len(text))]
    pieces = tokens(text)
    most = len(pieces) if asked.max_tokens is None else asked.max_tokens
    if len(pieces) > most:
        pieces, finish = pieces[:most], "length"
    if ending is not None:
        pieces, finish = pieces[: max(1, len(pieces) // 2)], ending
    return Reply("".join(pieces), [], finish, tokens_in)


def _calls(asked: Asked) -> list[tuple[str, str]]:
    if asked.tool_choice == "none" or not asked.tools:
        return []
    text = _last_user_text(asked)
    named = [name for name in asked.tools if _names(text, name)]
    if asked.tool_choice == "required":
        named = named or [next(iter(asked.tools))]
    elif asked.tool_choice != "auto":
        named = [asked.tool_choice]
    elif asked.messages[-1].role == "tool":
        return []
    return [
        (name, json.dumps(Filler(text, asked.tools[name]).instance(), ensure_ascii=False))
        for name in named
    ]


def _names(text: str, tool: str) -> bool:
    words = [word for word in re.split(r"[_\W]+", tool.lower()) if len(word) >= _SHORTEST_WORD]
    return any(word in text.lower() for word in words)


def _text(asked: Asked, choice: int) -> str:
    text = _last_user_text(asked)
    if asked.schema is not None:
        return json.dumps(Filler(text, asked.schema).instance(), ensure_ascii=False)
    if asked.json_mode:
        return json.dumps(keys_named_in(text), ensure_ascii=False)
    told = f"You said: {text}"
    if asked.messages and asked.messages[-1].role == "tool":
        told = f"The tools say: {'; '.join(_results(asked))}"
    return f"{told} [{asked.digest}]" + (f" (choice {choice})" if choice else "")


def _last_user_text(asked: Asked) -> str:
    return next((m.text for m in reversed(asked.messages) if m.role == "user"), "")


def _results(asked: Asked) -> list[str]:
    """The results since the last message of anybody else."""
    found: list[str] = []
    for message in reversed(asked.messages):
        if message.role != "tool":
            break
        found.insert(0, message.text)
    return found
