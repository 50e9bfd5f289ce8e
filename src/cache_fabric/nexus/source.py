"""The text of a manifest, and where it came from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cache_fabric.errors import ManifestError

__all__ = ["Source", "SourceKind"]

SourceKind = Literal["yaml", "json", "text"]
_MOST_BYTES = 16 * 1024 * 1024
_KINDS: dict[str, SourceKind] = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Source:
    """A text to read.

    Line ends are ``\\n`` whatever the file has, so that one checkout on Windows and one on Linux
    publish the same text.

    Attributes:
        name: The file as it was named, ``None`` if it is none; only for messages and metadata.
        text: All of it, without a byte order mark.
        kind: ``yaml`` and ``json`` can be loaded, ``text`` is for its reader to take apart.
        first_line: Number of the first line in the file, above 1 for a part of a file.
    """

    name: str | None
    text: str
    kind: SourceKind
    first_line: int = 1

    @classmethod
    def of_text(
        cls, text: str, *, name: str | None = None, kind: SourceKind | None = None
    ) -> Source:
        """Return a source whose kind is told by its name, else by its first character.

        Raises:
            ManifestError: Too large, or with characters that no text has.
        """
        text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        if len(text) > _MOST_BYTES:
            raise ManifestError(f"expected at most {_MOST_BYTES} bytes", file=name)
        if found := _NO_TEXT.search(text):
            line = text.count("\n", 0, found.start()) + 1
            raise ManifestError(
                f"expected text, got the character {found[0]!r}", file=name, line=line
            )
        return cls(name, text, kind or _kind(name, text))

    @classmethod
    def of_file(cls, path: Path, *, name: str | None = None) -> Source:
        """Read a file: UTF-8, at most 16 MiB; ``name`` is what it is called in messages.

        Raises:
            ManifestError: It cannot be read, is too large or is not UTF-8.
        """
        name = name or str(path)
        try:
            with path.open("rb") as file:
                content = file.read(_MOST_BYTES + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ManifestError(f"cannot be read: {reason}", file=name) from error
        if len(content) > _MOST_BYTES:
            raise ManifestError(f"expected at most {_MOST_BYTES} bytes", file=name)
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise ManifestError("expected UTF-8", file=name, line=line) from None
        return cls.of_text(text, name=name)


def _kind(name: str | None, text: str) -> SourceKind:
    suffix = Path(name).suffix.lower() if name else ""
    if suffix in _KINDS:
        return _KINDS[suffix]
    if suffix:
        return "text"
    return "json" if text.lstrip()[:1] in ("{", "[") else "yaml"
