"""The error tree.

::

    CacheFabricError
      ConfigurationError (ValueError)        an option, a backend, a path: the message names it
        MissingExtraError (ImportError)      names the install command
      ValidationError (ValueError)           a value that was passed in: field and expectation
      ManifestError (ValueError)             a manifest that cannot be read: file, line and field
      NotFound (LookupError)                 a key, a version, an execution that is not there
      VersionConflict                        a compare-and-set lost; carries what is current
      NotCacheable (ValueError)              a request with no stable key: becomes a bypass
      BackendError                           a store, an index or an embedder failed
        BackendUnavailable (ConnectionError)
        BackendTimeout (TimeoutError)
      IncompleteErasure                      what was erased and what was not: carries the receipt
      CodecError                             stored bytes that are not an entry: become a miss
      SyncCallOnIOLoopError (RuntimeError)   a blocking call on the fabric's own loop
      FabricClosedError (RuntimeError)

Messages say what was tried, on what, and what to do next; never a prompt or a credential.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "BackendError",
    "BackendTimeout",
    "BackendUnavailable",
    "CacheFabricError",
    "CodecError",
    "ConfigurationError",
    "FabricClosedError",
    "IncompleteErasure",
    "ManifestError",
    "MissingExtraError",
    "NotCacheable",
    "NotFound",
    "SyncCallOnIOLoopError",
    "ValidationError",
    "VersionConflict",
]


class CacheFabricError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigurationError(CacheFabricError, ValueError):
    """The fabric cannot be built or opened as asked; the message names the option."""


class MissingExtraError(ConfigurationError, ImportError):
    """An optional dependency is not installed; the message is the command that installs it."""

    def __init__(self, extra: str, needed_for: str) -> None:
        self.extra = extra
        super().__init__(f"{needed_for} needs an extra: pip install 'cache-fabric[{extra}]'")


class ValidationError(CacheFabricError, ValueError):
    """A value passed in is not usable; the message names the field and what was expected."""

    def __init__(self, field: str, expected: str) -> None:
        self.field = field
        self.expected = expected
        super().__init__(f"{field}: {expected}")


class ManifestError(CacheFabricError, ValueError):
    """A manifest is broken or of no format that we read; the message is ``file:line: field: text``.

    Attributes:
        file: As it was named, ``None`` for a manifest that is no file.
        line: From 1, ``None`` where it is not known.
        field: As ``graphs[0].nodes[2].config.prompt``; empty for the file as a whole.
        expected: What was expected there.
    """

    def __init__(
        self, expected: str, *, file: str | None = None, line: int | None = None, field: str = ""
    ) -> None:
        self.file = file
        self.line = line
        self.field = field
        self.expected = expected
        place = ":".join(str(each) for each in (file, line) if each is not None)
        super().__init__(": ".join(filter(None, (place, field, expected))))


class NotFound(CacheFabricError, LookupError):
    """What was named does not exist."""


class VersionConflict(CacheFabricError):
    """A compare-and-set lost: somebody wrote first."""

    def __init__(self, key: str, current: int, expected: int) -> None:
        self.key = key
        self.current = current
        self.expected = expected
        super().__init__(f"{key}: expected version {expected}, current is {current}")


class NotCacheable(CacheFabricError, ValueError):
    """The request has no stable key; the engine turns this into a bypass with this reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class BackendError(CacheFabricError):
    """A store, an index or an embedder failed; the driver's own error is the cause."""

    def __init__(self, backend: str, operation: str, message: str) -> None:
        self.backend = backend
        self.operation = operation
        super().__init__(f"{backend} {operation}: {message}")


class BackendUnavailable(BackendError, ConnectionError):
    """The backend cannot be reached, is closed, or is in use by another process."""


class BackendTimeout(BackendError, TimeoutError):
    """The backend did not answer in its time."""


class IncompleteErasure(CacheFabricError):
    """Not everything of a subject could be erased; the receipt says what was, and it is safe to
    try again."""

    def __init__(self, receipt: Any, failed: str) -> None:
        self.receipt = receipt
        super().__init__(f"not everything is erased, try again: {failed}")


class CodecError(CacheFabricError):
    """Stored bytes are corrupt, forged, or of a version this release cannot read."""


class SyncCallOnIOLoopError(CacheFabricError, RuntimeError):
    """A blocking method was called on the loop that would have to answer it."""


class FabricClosedError(CacheFabricError, RuntimeError):
    """The fabric was closed; make a new one."""
