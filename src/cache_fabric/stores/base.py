"""What a store of bytes must do, and nothing about what the bytes mean.

A store has three parts over one namespace:

* the **cache half** (`get`, `set_many`, `add`, `delete`, `scan`, `clear`): keys with an optional
  time to live, which may be evicted;
* the **record half** (`read`, `records`, `commit`, `changes`, `wait`): keys that are never evicted,
  written by an atomic multi-key compare-and-set that also appends one item to an ordered change
  log. Its model is etcd's transaction and watch (etcd.io, "API guarantees");
* its **documents** (`documents.Documents`): found by terms, numbers, times and words.

A store knows nothing of prompts, tenants, policies or metrics. Drivers translate the errors of
their SDK into `BackendError` and its children. Whoever creates a client closes it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from cache_fabric.stores.documents import Documents

__all__ = ["Change", "Changes", "CommitConflict", "Durability", "Record", "Store", "Write"]

Durability = Literal["memory", "process", "disk"]
"""What an acknowledged write survives for sure: nothing, the end of the process that wrote it, or
the end of the server and the loss of power as well."""


@dataclass(frozen=True, slots=True)
class Write:
    """One key to write; ``value=None`` deletes it. ``ttl`` is seconds, ``None`` is for ever."""

    key: str
    value: bytes | None
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it stands: ``revision`` is the commit that wrote it last."""

    key: str
    value: bytes
    revision: int


@dataclass(frozen=True, slots=True)
class Change:
    """One item of the change log; ``at`` is seconds since the epoch by the store's clock."""

    revision: int
    at: float
    note: bytes


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of the change log.

    Attributes:
        items: Changes after the asked revision, oldest first, without gaps.
        head: Newest revision of the log, 0 for an empty one.
        floor: Changes at or below this revision have been trimmed. A reader that asked for a
            revision below the floor has missed changes and must take a snapshot.
    """

    items: tuple[Change, ...]
    head: int
    floor: int


class CommitConflict(Exception):
    """A commit expected another revision of ``key``; nothing was written."""

    def __init__(self, key: str, current: int) -> None:
        self.key = key
        self.current = current
        super().__init__(f"{key} is at revision {current}")


@runtime_checkable
class Store(Protocol):
    """Bytes by key. All methods run on the fabric's home loop; none may block it for long.

    Attributes:
        name: Of the backend, for messages.
        shared: Whether other processes may see the same keys. Where none does, a fabric asks for
            no lease.
        log_span: After how many more changes no byte of a change is left in the log.
    """

    name: str
    shared: bool
    log_span: int

    @property
    def durability(self) -> Durability:
        """What a write survives that this store has acknowledged; known after `open`."""

    @property
    def documents(self) -> Documents:
        """Its documents; usable after `open`."""

    async def open(self) -> None:
        """Connect and check; idempotent. Raises `BackendError` or `ConfigurationError`."""

    async def get(self, key: str) -> bytes | None:
        """The bytes, or ``None`` when the key is absent or expired."""

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """As `get`, in the order of the keys."""

    async def set_many(self, writes: Sequence[Write]) -> None:
        """Write (or with ``value=None`` delete) all; a later one of the same key wins."""

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        """Write the key if it is absent or expired; returns whether it was.

        One step for everybody: of many that add a key at once, in whatever process, one succeeds.
        ``ttl`` is seconds above 0.
        """

    async def remove_if(self, key: str, value: bytes) -> bool:
        """Delete the key if it still holds this value, in one step; returns whether it did."""

    async def delete(self, keys: Sequence[str]) -> int:
        """Delete what is there; returns how many were."""

    def scan(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        """All live keys that start with the prefix, in no order, each once."""

    async def clear(self, prefix: str) -> int:
        """Delete all keys that start with the prefix; never one outside the namespace."""

    async def read(self, keys: Sequence[str]) -> list[Record | None]:
        """Records in the order of the keys."""

    async def records(self, prefix: str) -> list[Record]:
        """All records that start with the prefix, ordered by key."""

    async def commit(
        self, writes: Sequence[Write], *, note: bytes, expect: Mapping[str, int] | None = None
    ) -> int:
        """Write all records or none, append ``note`` to the change log, return its revision.

        ``expect`` maps a key to the revision it must still have (0: it must not exist); the first
        that differs raises `CommitConflict`. Revisions grow by one and are never reused. ``ttl``
        of a write is ignored: records do not expire.
        """

    async def changes(self, after: int, limit: int = 1000) -> Changes:
        """The change log after a revision, at most ``limit`` items."""

    async def wait(self, after: int, timeout: float) -> bool:
        """Return True as soon as the head is above ``after``, False after ``timeout`` seconds.

        Raises `BackendUnavailable` when the backend is gone at the deadline. A fail-over can move
        the head back: a reader whose place is above the head must start anew.
        """

    async def scrub(self) -> Sequence[str]:
        """Make the bytes of all that was deleted unreadable, as far as that can be done from here.

        Returns what remains and until when, one sentence each; nothing where nothing remains.
        """

    async def aclose(self) -> None:
        """Close what `open` opened; idempotent."""
