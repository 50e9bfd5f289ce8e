"""A folder of prompts, or one of them: each ``.md``, ``.txt`` or ``.j2`` file is a context.

The key is ``prompt:`` and the path below the folder without its last suffix. Whatever begins with
a dot is passed over; files may be links (a mounted ConfigMap is made of them), folders not.
"""

from __future__ import annotations

import unicodedata
from pathlib import PurePath

from cache_fabric.errors import ManifestError
from cache_fabric.nexus.given import Given
from cache_fabric.nexus.manifest import Manifest, ManifestContext, Place
from cache_fabric.nexus.placeholders import jinja_names
from cache_fabric.nexus.readers._files import files_below
from cache_fabric.nexus.source import Source
from cache_fabric.template import variables

__all__ = ["fits", "read"]

_JINJA = ".j2"
_SUFFIXES = (".md", ".txt", _JINJA)


def fits(given: Given) -> bool:
    """Whether it is a folder, or a file with the suffix of a prompt."""
    return given.is_folder or given.suffix in _SUFFIXES


def read(given: Given) -> Manifest:
    """Read every prompt of a folder.

    Raises:
        ManifestError: A file that is empty or no UTF-8, two files of one key, or far too many.
    """
    if given.is_folder and given.path is not None:
        files = sorted(files_below(given.path, _SUFFIXES))
        contexts = [_context(file.relative_to(given.path), Source.of_file(file)) for file in files]
    else:
        contexts = [
            _context(PurePath(PurePath(given.file or given.named(None)).name), given.source)
        ]
    if not contexts:
        raise ManifestError(f"expected prompts ({', '.join(_SUFFIXES)})", file=given.file)
    return Manifest(
        format="folder", name=given.named(None), contexts=tuple(contexts), file=given.file
    )


def _context(path: PurePath, source: Source) -> ManifestContext:
    if not source.text.strip():
        raise ManifestError("expected a prompt, the file is empty", file=source.name)
    name = unicodedata.normalize("NFC", path.with_suffix("").as_posix())
    names = jinja_names if path.suffix.lower() == _JINJA else variables
    return ManifestContext(
        key=f"prompt:{name}",
        value=source.text,
        kind="prompt",
        variables=names(source.text),
        place=Place(file=source.name, line=source.first_line),
        extra={"path": path.as_posix()},
    )
