"""The lock file of a manifest: which version of each context it was compiled to, and its hash.

It is JSON, ordered so that a change of one context is a change of its lines only, and written whole
or not at all. It belongs beside the manifest in version control: a later compile tells where the
fabric is no longer as the lock says.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cache_fabric.errors import ManifestError
from cache_fabric.nexus.manifest import Manifest
from cache_fabric.nexus.plan import Drift
from cache_fabric.nexus.published import content_hash
from cache_fabric.records import ContextEntry

__all__ = ["Lock", "Locked", "drift_of", "lock_of", "lock_path", "read_lock", "write_lock"]

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """One context: its version, and the hash of its value as ``sha256:...``."""

    version: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What a lock file says.

    Attributes:
        lock: Version of the file's form.
        manifest: Name of the manifest.
        version: Of the manifest, if it has one.
        contexts: By key.
    """

    lock: int = _FORMAT
    manifest: str
    version: str | None = None
    contexts: Mapping[str, Locked]


def lock_path(manifest: Path) -> Path:
    """Return where the lock of a manifest's file or folder is kept: beside it."""
    whole = manifest.resolve()
    return whole.with_name(f"{whole.name}.lock")


def read_lock(path: Path, manifest: Manifest) -> Lock | None:
    """Return the lock of a manifest, ``None`` where there is no file.

    Raises:
        ManifestError: It cannot be read, is no lock file, or is that of another manifest.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Lock)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ManifestError(f"cannot be read: {error.strerror}", file=str(path)) from error
    except msgspec.DecodeError as error:  # a ValidationError is one, and says where
        raise ManifestError(f"expected a lock file: {error}", file=str(path)) from error
    if found.lock != _FORMAT:
        raise ManifestError(f"expected form {_FORMAT}", file=str(path), field="lock")
    if found.manifest != manifest.name:
        raise ManifestError(
            f"expected the lock of {manifest.name!r}, got that of {found.manifest!r}",
            file=str(path),
            field="manifest",
        )
    return found


def lock_of(manifest: Manifest, versions: Mapping[str, int]) -> Lock:
    """Return the lock of a manifest that was compiled to these versions."""
    contexts = {
        context.key: Locked(version=versions[context.key], hash=content_hash(context.value))
        for context in sorted(manifest.contexts, key=lambda context: context.key)
    }
    return Lock(manifest=manifest.name, version=manifest.version, contexts=contexts)


def write_lock(path: Path, lock: Lock) -> bool:
    """Write a lock unless the file says the same already; returns whether it was written.

    Raises:
        ManifestError: The file cannot be written.
    """
    data = msgspec.json.format(msgspec.json.encode(lock), indent=2) + b"\n"
    try:
        if path.exists() and path.read_bytes() == data:
            return False
        handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        Path(unfinished).chmod(0o644)  # it is for everybody who has the manifest
        Path(unfinished).replace(path)
    except OSError as error:
        raise ManifestError(f"cannot be written: {error.strerror}", file=str(path)) from error
    return True


def drift_of(lock: Lock, live: Iterable[ContextEntry]) -> tuple[Drift, ...]:
    """Return where the live contexts are not what a lock says, by key."""
    there = {entry.key: entry for entry in live}
    found: list[Drift] = []
    for key, locked in sorted(lock.contexts.items()):
        entry = there.get(key)
        why = _difference(locked, entry)
        if why is not None:
            now = None if entry is None else entry.version
            found.append(Drift(key=key, locked=locked.version, live=now, why=why))
    return tuple(found)


def _difference(locked: Locked, entry: ContextEntry | None) -> str | None:
    if entry is None:
        return f"version {locked.version} is gone"
    if entry.version < locked.version:
        return f"version {locked.version} was never published here, current is {entry.version}"
    if entry.version > locked.version:
        who = "somebody" if entry.author is None else entry.author
        return f"{who} has published version {entry.version} since version {locked.version}"
    if content_hash(entry.value) != locked.hash:
        return f"version {locked.version} is not what was locked: this is another fabric"
    return None
