"""The envelope: round trips, and refuses everything that is not exactly one of ours."""

from __future__ import annotations

from typing import Any

import pytest

from cache_fabric import codec
from cache_fabric.errors import CodecError, NotCacheable
from cache_fabric.types import CacheEntry, Usage

SECRET = b"secret"
ENTRY = CacheEntry(
    id="e1",
    exact="x",
    partition="p",
    question="How?",
    payload={"text": "So.", "list": [1, 2.5, None, True]},
    model="m",
    created=1_700_000_000.0,
    expires=1_800_000_000.0,
    embedder="wordllama",
    tenant="acme",
    usage=Usage(input_tokens=3, output_tokens=4),
    cost_micros=12,
    latency=0.5,
)


def test_an_entry_comes_back_equal() -> None:
    assert codec.decode(codec.encode(ENTRY, SECRET), SECRET) == ENTRY


def test_two_decodings_share_no_mutable_object() -> None:
    data = codec.encode(ENTRY, SECRET)
    one, two = codec.decode(data, SECRET), codec.decode(data, SECRET)
    one.payload["list"].append("mine")
    assert two == ENTRY


def test_every_bit_flip_and_every_truncation_is_refused() -> None:
    data = codec.encode(ENTRY, SECRET)
    for position in range(len(data)):
        with pytest.raises(CodecError):
            codec.decode(data[:position], SECRET)
        for bit in range(8):
            broken = bytearray(data)
            broken[position] ^= 1 << bit
            with pytest.raises(CodecError):
                codec.decode(bytes(broken), SECRET)


def test_an_envelope_of_another_secret_is_refused() -> None:
    with pytest.raises(CodecError, match="another secret"):
        codec.decode(codec.encode(ENTRY, b"other"), SECRET)


def test_a_newer_version_is_refused_by_number() -> None:
    data = bytearray(codec.encode(ENTRY, SECRET))
    data[3] = 9
    with pytest.raises(CodecError, match="version 9"):
        codec.decode(bytes(data), SECRET)


def test_plain_data_in_an_envelope_is_not_an_entry() -> None:
    with pytest.raises(CodecError, match="does not hold an entry"):
        codec.decode(codec.pack(["not", "an", "entry"], SECRET), SECRET)


@pytest.mark.parametrize("payload", [object(), {"x": 2**70}, "\ud800", {1: {object(): 2}}])
def test_what_plain_data_cannot_say_is_not_cacheable(payload: Any) -> None:
    with pytest.raises(NotCacheable):
        codec.pack(payload, SECRET)
