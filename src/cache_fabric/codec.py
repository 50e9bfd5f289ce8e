"""Entries to bytes and back: a versioned, length-prefixed, authenticated envelope of plain data.

::

    "CFE" | version, 1 byte | body length, 4 bytes big endian | body, MessagePack | MAC, 16 bytes

The MAC is HMAC-SHA256 over all before it, cut to 128 bits (RFC 2104, section 5), checked before a
byte of the body is parsed: under the deployment's own secret a forged entry is as unreadable as a
corrupt one. MessagePack (by msgspec) can only say plain data; nothing stored is ever executed.
"""

from __future__ import annotations

import hmac
from typing import Any

import msgspec

from cache_fabric.errors import CodecError, NotCacheable
from cache_fabric.types import CacheEntry

__all__ = ["decode", "encode", "pack", "unpack"]

_MAGIC = b"CFE"
_VERSION = 1
_HEAD = len(_MAGIC) + 1 + 4
_MAC = 16

_encoder = msgspec.msgpack.Encoder()
_entries = msgspec.msgpack.Decoder(CacheEntry)
_anything = msgspec.msgpack.Decoder()


def encode(entry: CacheEntry, secret: bytes) -> bytes:
    """Return the envelope of an entry.

    Raises:
        NotCacheable: The payload holds something that plain data cannot say.
    """
    return pack(entry, secret)


def decode(data: bytes, secret: bytes) -> CacheEntry:
    """Return a fresh entry: no two calls share a mutable object.

    Raises:
        CodecError: Truncated, corrupt, forged, of another secret, or of a newer version.
    """
    try:
        return _entries.decode(_body(data, secret))
    except msgspec.DecodeError as error:
        raise CodecError("the envelope does not hold an entry") from error


def pack(value: Any, secret: bytes) -> bytes:
    """Return the envelope of any plain data (records use it as it is)."""
    try:
        body = _encoder.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise NotCacheable(f"the answer is not plain data: {type(error).__name__}") from error
    head = _MAGIC + bytes([_VERSION]) + len(body).to_bytes(4, "big")
    return head + body + hmac.digest(secret, head + body, "sha256")[:_MAC]


def unpack(data: bytes, secret: bytes) -> Any:
    """Return the plain data of an envelope; raises `CodecError` as `decode` does."""
    try:
        return _anything.decode(_body(data, secret))
    except msgspec.DecodeError as error:
        raise CodecError("the envelope does not hold plain data") from error


def _body(data: bytes, secret: bytes) -> bytes:
    if len(data) < _HEAD + _MAC or not data.startswith(_MAGIC):
        raise CodecError("not an envelope")
    if data[len(_MAGIC)] != _VERSION:
        raise CodecError(f"envelope version {data[len(_MAGIC)]}, this release reads {_VERSION}")
    if int.from_bytes(data[len(_MAGIC) + 1 : _HEAD], "big") != len(data) - _HEAD - _MAC:
        raise CodecError("truncated envelope")
    mac = hmac.digest(secret, data[:-_MAC], "sha256")[:_MAC]
    if not hmac.compare_digest(mac, data[-_MAC:]):
        raise CodecError("the envelope is corrupt or was made under another secret")
    return data[_HEAD:-_MAC]
