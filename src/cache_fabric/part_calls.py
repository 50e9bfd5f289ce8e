"""How the parts of a fabric are asked over HTTP: both ends derive it from the parts' own contracts.

A call is a POST to ``/v1/parts/{part}/{method}`` with the arguments by name as MessagePack, and is
answered with the result as MessagePack. A vector travels as the bytes of its float32 numbers. Text
that is no Unicode (a lone surrogate, which a prompt may hold) travels as an extension.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, get_type_hints

import msgspec

from cache_fabric.stores.base import Store
from cache_fabric.stores.documents import Documents
from cache_fabric.types import Neighbor

__all__ = ["CALLS", "Call", "Introduction", "RemoteIndex", "RemoteItem", "packed", "unpacked"]

RemoteItem = tuple[str, str, bytes, float | None]
"""A `VectorItem`: id, partition, vector, ttl."""


class Introduction(msgspec.Struct):
    """What a store over HTTP says of the store behind it, when it is opened."""

    namespace: str
    durability: str
    log_span: int


class RemoteIndex(Protocol):
    """A `VectorIndex` whose vectors are bytes."""

    async def open(self, *, embedder: str, dimension: int, replace: bool) -> None: ...

    async def upsert(self, items: Sequence[RemoteItem]) -> None: ...

    async def search(self, vector: bytes, *, partition: str | None, k: int) -> list[Neighbor]: ...

    async def partition_items(self, partition: str, limit: int) -> list[RemoteItem]: ...

    async def fetch(self, ids: Sequence[str]) -> list[RemoteItem]: ...

    async def delete(self, ids: Sequence[str]) -> None: ...

    async def count(self, partition: str | None) -> int: ...

    async def clear(self) -> None: ...

    async def scrub(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Call:
    """One method: the type of its arguments, all by name, and that of its result."""

    takes: type[msgspec.Struct]
    gives: Any


def _calls(contract: type) -> Mapping[str, Call]:
    found = {}
    for name, method in vars(contract).items():
        if inspect.iscoroutinefunction(method) and name not in _OF_THIS_END:
            types = get_type_hints(method)
            gives = types.pop("return")
            takes = msgspec.defstruct(name, list(types.items()), forbid_unknown_fields=True)
            found[name] = Call(takes, gives)
    return found


_OF_THIS_END = ("aclose",)
CALLS: Mapping[str, Mapping[str, Call]] = {
    "store": {**_calls(Store), "open": Call(msgspec.defstruct("open", []), Introduction)},
    "documents": _calls(Documents),
    "index": _calls(RemoteIndex),
}
"""Methods by part. ``scan`` of the store is not one of them: its result is a stream."""


_TEXT, _PAIRS = 1, 2  # codes of our extensions


def packed(value: Any) -> bytes:
    """Return a value of the calls as MessagePack."""
    try:
        return msgspec.msgpack.encode(value)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(value, builtin_types=(bytes,))
        return msgspec.msgpack.encode(_extended(plain))


def unpacked(data: bytes, kind: Any) -> Any:
    """Return the value of a type; raises `msgspec.DecodeError`."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.ValidationError:
        return msgspec.convert(msgspec.msgpack.decode(data, ext_hook=_read), kind)


def _extended(value: Any) -> Any:
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass")
        is_unicode = data.decode("utf-8", "replace") == value
        return value if is_unicode else msgspec.msgpack.Ext(_TEXT, data)
    if isinstance(value, list | tuple):
        return [_extended(item) for item in value]
    if isinstance(value, dict):
        pairs = [[_extended(key), _extended(item)] for key, item in value.items()]
        if all(isinstance(key, str) for key, _ in pairs):
            return dict(pairs)
        return msgspec.msgpack.Ext(_PAIRS, msgspec.msgpack.encode(pairs))
    return value


def _read(code: int, data: memoryview) -> Any:
    if code == _TEXT:
        return str(data, "utf-8", "surrogatepass")
    if code == _PAIRS:
        return dict(msgspec.msgpack.decode(data, ext_hook=_read))
    raise msgspec.DecodeError("an extension that is not ours")
