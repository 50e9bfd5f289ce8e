"""LangChain's documents as plain data, and back, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.documents import Document

from cache_fabric.errors import CodecError
from cache_fabric.types import Answer

__all__ = ["read_documents", "to_answer"]

_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})
_MAX_DEPTH = 32


def to_answer(documents: Sequence[Document]) -> Answer:
    """Return documents as an `Answer`; one that must not be kept carries its ``error``.

    Only what comes back as it was is kept: a date in the metadata, a tuple or a number of numpy
    would come back as something else.
    """
    if not isinstance(documents, list) or not documents:
        return Answer(payload=None, error="no documents")
    items = []
    for document in documents:
        if type(document) is not Document:
            return Answer(payload=None, error=f"not a plain Document: {type(document).__name__}")
        odd = _odd_part(document.metadata, "metadata", 0)
        if odd is not None:
            return Answer(payload=None, error=f"not plain data: {odd}")
        items.append([document.page_content, document.metadata, document.id])
    return Answer(payload={"documents": items}, text=f"{len(items)} documents")


def read_documents(payload: Any) -> list[Document]:
    """Return the documents of a payload; raises `CodecError` for what `to_answer` did not make."""
    try:
        return [
            Document(page_content=content, metadata=metadata, id=name)
            for content, metadata, name in payload["documents"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise CodecError("the entry does not hold documents") from error


def _odd_part(value: Any, path: str, depth: int) -> str | None:
    """Return where a value is not what plain data can say, and what it is there."""
    if type(value) in _PLAIN and not (type(value) is int and value.bit_length() > 63):
        return None
    if depth < _MAX_DEPTH and type(value) is list:
        parts = [(f"{path}[{number}]", part) for number, part in enumerate(value)]
    elif depth < _MAX_DEPTH and type(value) is dict and all(type(key) is str for key in value):
        parts = [(f"{path}.{name}", part) for name, part in value.items()]
    else:
        return f"{path} is {type(value).__name__}"
    found = (_odd_part(part, place, depth + 1) for place, part in parts)
    return next((odd for odd in found if odd is not None), None)
