"""Answers in a file and back: a header, then one JSON object a line, loss-free.

::

    {"format": "cache-fabric/answers/1", "namespace", "embedder", "secret"}
    {"id", "exact", "partition", "question", "payload", "model", "created", "expires", ...}

A line has the fields of `CacheEntry`, its times in seconds since the epoch. A payload that JSON
cannot say (bytes, a key that is no text) is MessagePack in base64, under ``packed``. Keys depend on
namespace, embedder and secret, so a file is read only where all three are the same: elsewhere its
answers would never be found again. ``secret`` is a keyed hash that tells nothing of it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import msgspec

from cache_fabric import codec
from cache_fabric.config import FabricConfig
from cache_fabric.engine import Engine
from cache_fabric.errors import ValidationError
from cache_fabric.freshness import is_within, longest_window
from cache_fabric.invalidation import Invalidations
from cache_fabric.keys import exact_key
from cache_fabric.line_files import Place, Progress, count_lines, opened, write_lines
from cache_fabric.live_contexts import LiveContexts
from cache_fabric.selector import Selector
from cache_fabric.types import CacheEntry
from cache_fabric.write_behind import PendingWrite, pending

__all__ = ["AnswerFiles"]

_FORMAT = "cache-fabric/answers/1"
_LINES = 100  # at once
_packed = msgspec.msgpack.Encoder().encode


class AnswerFiles:
    """Writes and reads the answers of one namespace; lives on the home loop.

    Args:
        engine: Holds the answers.
        invalidations: Finds them.
        live: Knows what is quarantined.
        config: Namespace, secret, and how long stale answers are of use.
    """

    def __init__(
        self,
        engine: Engine,
        invalidations: Invalidations,
        live: LiveContexts,
        config: FabricConfig,
    ) -> None:
        self._engine = engine
        self._live = live
        self._invalidations = invalidations
        self._secret = config.secret
        self._window = longest_window(config)
        self._header = {
            "format": _FORMAT,
            "namespace": config.namespace,
            "embedder": engine.semantic.identity,
            "secret": hmac.digest(config.secret, _FORMAT.encode(), "sha256")[:16].hex(),
        }

    async def write(self, place: Place, selector: Selector, progress: Progress | None) -> int:
        """Write all answers that are meant; returns how many.

        Raises:
            OSError: The file cannot be written.
            BackendError: The store failed; what was written until then stays.
        """
        await self._live.load()
        total, done = await self._invalidations.count_all(), 0
        waiting = [msgspec.json.encode(self._header) + b"\n"]
        with opened(place, "wb") as file:
            async for entry in self._invalidations.matching(selector):
                if not self._engine.verdicts.allows(entry):
                    continue
                waiting.append(_line(entry))
                done += 1
                if len(waiting) > _LINES:
                    await asyncio.to_thread(write_lines, file, waiting)
                    waiting = []
                    if progress is not None:
                        progress(done, max(total, done))
            await asyncio.to_thread(write_lines, file, waiting)
        if progress is not None:
            progress(done, done)
        return done

    async def read(self, place: Place, progress: Progress | None) -> int:
        """Keep the answers of a file that are not older than what is kept; returns how many.

        What was found bad, or has a pinned answer in its place, is left out.

        Raises:
            ValidationError: The file is of another fabric, or a line is not one of ours: its number
                and field. The answers before it are kept.
            OSError: The file cannot be read.
            BackendError: Store, embedder or index failed; what was kept until then stays, and the
                file can be read again.
        """
        total = max(0, await asyncio.to_thread(count_lines, place) - 1)
        kept, done = 0, 0
        with opened(place, "rb") as file:
            self._check(await asyncio.to_thread(file.readline))
            await self._engine.open()
            await self._live.load()
            while batch := await asyncio.to_thread(list, islice(file, _LINES)):
                kept += await self._take(batch, done + 2)
                done += len(batch)
                if progress is not None:
                    progress(done, max(total, done))
        return kept

    def _check(self, line: bytes | str) -> None:
        header = _object(line, 1)
        for name, ours in self._header.items():
            if header.get(name) != ours:
                theirs = "another" if name == "secret" else repr(header.get(name))
                expected = "that of this fabric" if name == "secret" else repr(ours)
                raise ValidationError(
                    name,
                    f"expected {expected}, the file has {theirs}: its answers would not be "
                    "found here",
                )

    async def _take(self, lines: Sequence[bytes | str], first: int) -> int:
        entries: dict[str, CacheEntry] = {}
        fault: ValidationError | None = None
        for number, line in enumerate(lines, first):
            try:
                entry = self._entry(line, number)
            except ValidationError as error:
                fault = error
                break
            known = entries.get(entry.exact)
            if known is None or known.created <= entry.created:
                entries[entry.exact] = entry
        kept = await self._keep(list(entries.values()))
        if fault is not None:
            raise fault
        return kept

    def _entry(self, line: bytes | str, number: int) -> CacheEntry:
        fields = _object(line, number)
        try:
            if "packed" in fields:
                packed = base64.b64decode(fields.pop("packed"), validate=True)
                fields["payload"] = msgspec.msgpack.decode(packed)
            entry = msgspec.convert(fields, CacheEntry)
            exact = exact_key(entry.partition, entry.question, self._secret)
        except msgspec.ValidationError as error:
            said, _, path = str(error).partition(" - at `$.")
            raise ValidationError(f"line {number}, {path.rstrip('`') or 'object'}", said) from error
        except (binascii.Error, TypeError, msgspec.DecodeError) as error:
            raise ValidationError(f"line {number}, packed", "expected a payload") from error
        except ValueError as error:
            raise ValidationError(f"line {number}, partition", "expected a key") from error
        if entry.exact != exact or entry.id.partition(".")[0] != exact:
            wrong = "exact" if entry.exact != exact else "id"
            raise ValidationError(
                f"line {number}, {wrong}", "expected the key of this partition and question"
            )
        return entry

    async def _keep(self, entries: Sequence[CacheEntry]) -> int:
        now, engine = time.time(), self._engine
        allows = engine.verdicts.allows  # what is quarantined here stays so
        alive = [one for one in entries if is_within(one, self._window, now) and allows(one)]
        there = await engine.store.demand(
            lambda: engine.kept.fetch([entry.exact for entry in alive])
        )
        fresh = [
            entry
            for entry, data in zip(alive, there, strict=True)
            if not _is_newer(engine.exact.read(data), entry)
        ]
        await engine.kept.take_in(fresh, [self._write(entry, now) for entry in fresh])
        return len(fresh)

    def _write(self, entry: CacheEntry, now: float) -> PendingWrite:
        ttl = None if entry.expires is None else entry.expires + self._window - now
        return pending(entry, codec.encode(entry, self._secret), ttl, entry.question)


def _line(entry: CacheEntry) -> bytes:
    packed = _packed(entry.payload)
    try:
        same = _packed(msgspec.json.decode(msgspec.json.encode(entry.payload))) == packed
    except (TypeError, ValueError, OverflowError):
        same = False
    if same:
        return msgspec.json.encode(entry) + b"\n"
    fields = msgspec.to_builtins(replace(entry, payload=None))
    fields["packed"] = base64.b64encode(packed).decode()
    return msgspec.json.encode(fields) + b"\n"


def _object(line: bytes | str, number: int) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ValidationError(f"line {number}, object", "expected a JSON object") from error
    if not isinstance(found, Mapping):
        raise ValidationError(f"line {number}, object", "expected a JSON object")
    return dict(found)


def _is_newer(kept: CacheEntry | None, entry: CacheEntry) -> bool:
    return kept is not None and kept.id != entry.id and kept.created >= entry.created
