"""What a reader is given: a file, a folder, or data."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from cache_fabric.errors import ManifestError
from cache_fabric.nexus.located_yaml import Value, load, load_data
from cache_fabric.nexus.source import Source

__all__ = ["Given"]


class Given:
    """One manifest, read at most once however many readers look at it.

    Args:
        manifest: A path as text or `Path`, a `Source`, a mapping, or an object of another package.
        name: What the manifest is to be called, whatever it says itself.

    Attributes:
        path: Of the file or folder, ``None`` for what is none.
        file: How the file or folder was named, for messages.
        data: The mapping or object, ``None`` for what is none.
        is_named: False once it was called only as its file or folder is.
    """

    def __init__(self, manifest: object, name: str | None = None) -> None:
        self._name = name
        self._source: Source | None = None
        self.is_named = True
        self.path: Path | None = None
        self.file: str | None = None
        self.data: Any = None
        if isinstance(manifest, Source):
            self._source, self.file = manifest, manifest.name
        elif isinstance(manifest, str | os.PathLike):
            self.path, self.file = Path(manifest), os.fspath(manifest)
        else:
            self.data = manifest

    @cached_property
    def is_folder(self) -> bool:
        """Whether it is a folder; of one that cannot be looked at, opening it tells why."""
        with contextlib.suppress(OSError):
            return self.path is not None and self.path.is_dir()
        return False

    @property
    def suffix(self) -> str:
        """Of the file name, as ``.yaml``; empty for folders and data."""
        return "" if self.file is None or self.is_folder else Path(self.file).suffix.lower()

    @cached_property
    def source(self) -> Source:
        """The text of a file; raises `ManifestError` if it cannot be read."""
        if self._source is not None:
            return self._source
        if self.path is None:
            raise ManifestError("expected a file, got data")
        return Source.of_file(self.path, name=self.file)

    @cached_property
    def document(self) -> Value:
        """The document in a YAML or JSON file, or the mapping; raises `ManifestError`."""
        return load(self.source) if self.data is None else load_data(self.data)

    @property
    def mapping(self) -> Value | None:
        """The document if it is a mapping, ``None`` for any other file, folder or object.

        Raises:
            ManifestError: The file is YAML or JSON by its name, and broken.
        """
        if self.data is not None:
            return self.document if isinstance(self.data, Mapping) else None
        if self.is_folder or self.source.kind == "text":
            return None
        return self.document if self.document.is_mapping else None

    def named(self, own: str | None) -> str:
        """Return the name of the manifest: as the caller has it, else its own, else the file's."""
        name = self._name or own
        self.is_named = bool(name)
        if name is None and self.file is not None:
            path = Path(self.file).resolve()
            name = path.name if self.is_folder else path.stem
        if not name:
            raise ManifestError("is required", file=self.file, field="name")
        return name
