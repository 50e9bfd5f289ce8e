"""What readers see of contexts: the view at one revision, entries, and changes. No I/O."""

from __future__ import annotations

import difflib
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import msgspec

from cache_fabric import codec
from cache_fabric.context_rules import Body, Head, digest
from cache_fabric.errors import BackendError
from cache_fabric.records import ContextChange, ContextDiff, ContextEntry, Freshness
from cache_fabric.scopes import Owner
from cache_fabric.stores.base import Change, Changes
from cache_fabric.taken_back import Erased, Retired
from cache_fabric.types import ContextScope

__all__ = [
    "View",
    "changes_of",
    "diff_of",
    "entry_of",
    "erased_of",
    "is_there",
    "items_of",
    "judged_of",
    "note_of_erased",
    "note_of_judged",
    "note_of_retired",
    "retired_of",
    "was_missed",
]


_MOST_COMPARED = 5_000**2


class View:
    """All contexts at one revision.

    Attributes:
        heads: Head and revision of its last change, by path.
        entries: What most reads want: current versions that neither expire nor are deleted.
        texts: Paths that ever had a text, with the behaviour it had there, by digest.
    """

    def __init__(
        self, revision: int, heads: dict[str, tuple[Head, int]], freshness: Freshness
    ) -> None:
        self.revision = revision
        self.heads = heads
        self._freshness = freshness
        self.entries: dict[str, ContextEntry] = {}
        self.texts: dict[str, list[tuple[str, int]]] = {}
        for path, (head, changed) in heads.items():
            if not head.body.deleted and head.body.expires is None:
                self.entries[path] = entry_of(head.body, changed, head, freshness)
            for mark, behaviour in head.texts.items():
                self.texts.setdefault(mark, []).append((path, behaviour))

    def known(self, text: str, owner: Owner) -> tuple[str, int] | None:
        """Return path and behaviour of the context that has, or had, this text."""
        found = self.texts.get(digest(text)) if self.texts else None
        for scope in owner.levels() if found else ():
            prefix = owner.prefix(scope)
            for path, behaviour in sorted(found or ()):
                if path.startswith(prefix):
                    return path, behaviour
        return None

    def entry(self, key: str, owner: Owner) -> ContextEntry | None:
        """Return the current version from the narrowest scope of an owner that has the key."""
        levels = owner.levels()
        for depth, level in enumerate(levels, 1):
            head, changed = self.heads.get(owner.path(level, key), (None, 0))
            if head is not None and is_there(head, time.time()):
                return entry_of(head.body, changed, head, self._freshness, levels[:depth])
        return None

    def path_of(self, key: str, owner: Owner) -> str | None:
        """Return the path of the context that an owner sees under a key, if there is one."""
        for scope in owner.levels():
            path = owner.path(scope, key)
            if path in self.heads and is_there(self.heads[path][0], time.time()):
                return path
        return None


def is_there(head: Head, now: float) -> bool:
    """Return whether a context is neither deleted nor expired."""
    body = head.body
    return not body.deleted and (body.expires is None or body.expires > now)


def was_missed(page: Changes, after: int) -> bool:
    """Return whether a reader has to start anew: its place was trimmed, or the log went back.

    The head of a Redis can go back by a fail-over to a replica that had not seen the last commits.
    """
    return page.floor > after or page.head < after


def entry_of(
    body: Body,
    revision: int,
    head: Head | None,
    freshness: Freshness,
    looked_at: tuple[ContextScope, ...] = (),
) -> ContextEntry:
    """Return a version as callers read it."""
    labels = () if head is None else sorted(n for n, v in head.labels.items() if v == body.version)
    return ContextEntry(
        key=body.key,
        value=body.value,
        scope=ContextScope(body.scope),
        version=body.version,
        behaviour=body.behaviour,
        revision=revision,
        timestamp=datetime.fromtimestamp(body.at, UTC),
        metadata=body.metadata,
        author=body.author,
        message=body.message,
        labels=tuple(labels),
        change=body.change,
        deleted=body.deleted,
        same_as=body.same_as,
        expires=None if body.expires is None else datetime.fromtimestamp(body.expires, UTC),
        looked_at=looked_at,
        freshness=freshness,
    )


def changes_of(
    change: Change, secret: bytes, paths: tuple[str, ...] = ("",)
) -> list[ContextChange]:
    """Return the keys that one revision changed, of those whose path starts with one of these."""
    items = [item for item in items_of(change, secret) if item["path"].startswith(paths)]
    return [
        ContextChange(
            revision=change.revision,
            at=datetime.fromtimestamp(change.at, UTC),
            scope=ContextScope(item["scope"]),
            last=item is items[-1],
            **{name: item[name] for name in _SHOWN},
        )
        for item in items
    ]


def diff_of(one: Any, two: Any, one_name: str, two_name: str) -> ContextDiff:
    """Return the unified diff of two values, of data as indented JSON; empty for the same lines.

    Of two very long ones it is all from the first line that differs to the last.
    """
    old, new = _lines(one), _lines(two)
    if len(old) * len(new) > _MOST_COMPARED:  # difflib takes up to the third power of the lines
        return ContextDiff("\n".join(_replaced(old, new, one_name, two_name)))
    lines = difflib.unified_diff(old, new, one_name, two_name, lineterm="")
    return ContextDiff("\n".join(lines))


def _replaced(old: list[str], new: list[str], one_name: str, two_name: str) -> list[str]:
    shorter = min(len(old), len(new))
    first = next((n for n in range(shorter) if old[n] != new[n]), shorter)
    left = shorter - first
    last = next((n for n in range(left) if old[-1 - n] != new[-1 - n]), left)
    gone, come = old[first : len(old) - last], new[first : len(new) - last]
    if not gone and not come:
        return []
    place = f"@@ -{first + 1},{len(gone)} +{first + 1},{len(come)} @@"
    lines = [*(f"-{line}" for line in gone), *(f"+{line}" for line in come)]
    return [f"--- {one_name}", f"+++ {two_name}", place, *lines]


def _lines(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.splitlines()
    text = msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2)
    return text.decode().splitlines()


_SHOWN = ("op", "key", "version", "behaviour", "before", "label", "author", "message")


def items_of(change: Change, secret: bytes) -> list[dict[str, Any]]:
    """Return the keys of one revision as the writer noted them."""
    try:
        items: list[dict[str, Any]] = codec.unpack(change.note, secret)["items"]
    except (KeyError, TypeError) as error:
        raise BackendError("change log", "read", "a note that is not a context change") from error
    return items


def note_of_retired(retired: Retired, secret: bytes) -> bytes:
    """Return the note of an invalidation: it changes no context."""
    return codec.pack({"items": [], "retired": asdict(retired)}, secret)


def retired_of(change: Change, secret: bytes) -> Retired | None:
    """Return the answers that one revision retired, ``None`` if it was about contexts."""
    retired = codec.unpack(change.note, secret).get("retired")
    return None if retired is None else msgspec.convert(retired, Retired)


def note_of_judged(entry_ids: Sequence[str], secret: bytes) -> bytes:
    """Return the note of verdicts on answers: it changes no context."""
    return codec.pack({"items": [], "judged": list(entry_ids)}, secret)


def judged_of(change: Change, secret: bytes) -> list[str]:
    """Return the ids of the answers whose verdict one revision changed."""
    judged: list[str] = codec.unpack(change.note, secret).get("judged") or []
    return judged


def note_of_erased(erased: Erased, secret: bytes) -> bytes:
    """Return the note of an erasure: it says that contexts are gone, and not which."""
    return codec.pack({"items": [], "erased": asdict(erased)}, secret)


def erased_of(change: Change, secret: bytes) -> Erased | None:
    """Return what one revision says of an erasure, ``None`` if it was none."""
    erased = codec.unpack(change.note, secret).get("erased")
    return None if erased is None else msgspec.convert(erased, Erased)
