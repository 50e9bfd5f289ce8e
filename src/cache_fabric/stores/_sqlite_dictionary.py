"""What most documents repeat, for the compressor: the nearer to its end, the shorter to refer to.

It only saves bytes: any document can be kept. It is part of every file: it never changes without a
migration that packs all bodies anew.
"""

from __future__ import annotations

__all__ = ["DICTIONARY"]

_ENGLISH = (
    " the of and to in a is that for it you with as on are be this have from or by not but what all"
    " were we when your can said there use an each which do how their if will up other about out"
    " many then them these so some would make like into time has look two more see number no way"
    " could people my than first been call who its now find please thank sorry help error "
)
_NAMES = (
    "annotator annotator_id arguments bad bypass classification comment completion content"
    " correction data execution events expected feedback function good graph id kind label list"
    " match messages metadata model name none parameters place prompt question rating reason"
    " retrieve run saved_tokens score stale started step step_id text thread_id timestamp tool"
    " tool_calls total trusted type usage user_rating value verdict version"
)


def _field(name: str, start: bytes = b"") -> bytes:
    """Return a name as MessagePack writes it, with what starts its value behind it."""
    return bytes([0xA0 + len(name)]) + name.encode() + start


def _term(field: str, value: str = "") -> bytes:
    """Return a term as `Body` writes it."""
    length = bytes([len(value)]) + value.encode() if value else b""
    return b"\x92\xc4" + bytes([len(field)]) + field.encode() + b"\xc4" + length


_HEXADECIMAL, _NUMBER, _NOTHING = b"\xd9 ", b"\xcb?", b"\xc0"
_EXECUTION = (
    b"CFE\x01\x00\x00\x04\x00\x87",
    _field("execution_id", _HEXADECIMAL),
    _field("graph_name"),
    _field("state", b"\x8a"),
    _field("status") + _field("success"),
    _field("agent") + _field("conversation") + _field("messages", b"\x92"),
    _field("input", b"\x92\x82") + _field("role") + _field("system"),
    _field("content", b"\xc7 \x01") + b"\x82" + _field("role") + _field("assistant"),
    _field("content", b"\xd9") + b"\x82" + _field("role") + _field("user") + _field("content"),
    _field("output", b"\xda\x01") + _field("seconds", b"\xcb@"),
    _field("tokens", b"\x83") + _field("prompt", b"\xcd\x04") + _field("completion"),
    _field("total", b"\xcd\x04") + _field("cost", _NUMBER),
    _field("contexts", b"\x91\x82") + _field("key") + _field("version"),
    _field("steps", b"\x91\x84") + _field("kind") + _field("llm") + _field("name"),
    _field("cache", b"\x8c") + _field("outcome") + _field("hit") + _field("tier"),
    _field("hot") + _field("exact") + _field("semantic"),
    _field("similarity", _NUMBER) + _field("probability", _NUMBER) + _field("stale", b"\xc2"),
    _field("cache", b"\x86") + _field("outcome") + _field("miss"),
    _field("reason") + _field("no_candidate"),
    _field("entry_id", b"\xd9Q") + _field("exact", b"\xd9@") + _field("family", b"\xd9@"),
    _field("question", _NOTHING) + _field("lookup_id", b"\xb0"),
    _field("saved_cost", _NUMBER) + _field("saved_tokens", b"\xcd"),
    _field("at", b"\xcbA\xda") + _field("tags", b"\x91") + _field("tenant") + _field("user"),
    _field("asked", _HEXADECIMAL),
)
_FOUND_BY = (
    *map(_term, ("agent", "asked", "context", "conversation", "entry", "execution", "graph")),
    *(_term("outcome", outcome) for outcome in ("miss", "hit")),
    *(_term("tier", tier) for tier in ("hot", "exact", "semantic")),
    *map(_term, ("tag", "tenant", "user", "name", "kind", "verdict", "annotator")),
    _term("status", "error") + _term("status", "success") + _term("complete", "yes"),
    *(b"\xc4" + bytes([len(n)]) + n + _NUMBER for n in (b"saved_cost", b"tokens", b"seconds")),
    b"\xc4\x04cost\xcb?",
    b"\nsystem\nuser\n",
    b"\x91\xc4 ",
)
DICTIONARY = b"".join((_ENGLISH.encode(), _NAMES.encode(), *_EXECUTION, *_FOUND_BY))
"""About 2 kB."""
