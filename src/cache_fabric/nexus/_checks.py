"""What holds of a manifest whatever its format; checked before anything is published."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cache_fabric.errors import ManifestError, ValidationError
from cache_fabric.nexus.manifest import Manifest, ManifestContext, Place
from cache_fabric.validation import check_json, check_key

__all__ = ["at", "checked"]


def at(place: Place, expected: str) -> ManifestError:
    """Return the error to raise for a place."""
    return ManifestError(expected, file=place.file, line=place.line, field=place.field)


def checked(manifest: Manifest) -> Manifest:
    """Return a manifest with every key once.

    Raises:
        ManifestError: It says nothing, says two things of one key, or has a key or value that no
            context can have.
    """
    try:
        check_key(manifest.name)
    except ValidationError as error:
        raise ManifestError(error.expected, file=manifest.file, field="name") from None
    if not manifest.contexts:
        raise ManifestError("expected at least one text, tool or graph", file=manifest.file)
    return replace(manifest, contexts=tuple(_once(manifest.contexts)))


def _once(contexts: Iterable[ManifestContext]) -> Iterable[ManifestContext]:
    first: dict[str, ManifestContext] = {}
    for context in contexts:
        known = first.setdefault(context.key, context)
        if known is context:
            yield _valid(context)
        elif known.value != context.value:
            there = ":".join(str(each) for each in (known.place.file, known.place.line) if each)
            told = f", {there} says another" if there else ""
            raise at(context.place, f"expected one text or definition of {context.key!r}{told}")


def _valid(context: ManifestContext) -> ManifestContext:
    try:
        check_key(context.key)
        check_json(context.value)
    except ValidationError as error:
        raise at(context.place, f"{context.key:.80}: {error}") from None
    return context
