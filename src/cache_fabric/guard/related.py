"""Whether two words are likely to mean the same thing, when no sentence can tell."""

from __future__ import annotations

from functools import lru_cache

from cache_fabric.guard import english, marks
from cache_fabric.guard.spelling import same_word
from cache_fabric.guard.synonyms import GENERIC, GROUPS

__all__ = ["forget", "related"]

_GROUPS: dict[str, frozenset[int]] = {}
for _number, _line in enumerate(GROUPS.strip().replace("\n    ", " ").splitlines()):
    for _word in _line.split():
        _GROUPS[_word] = _GROUPS.get(_word, frozenset()) | {_number}

_LONGEST = 32
_SHORTEST_STEM = 5
_MOST_OF_WORD = 0.6
_SHORTEST_FAMILY = 4
_FAMILY_ENDINGS = english.words("e s es ed t ing er ers or ors ion ation ations ment al") | {""}
_SHORTEST_MISTYPED = 5
_SHORTEST_WITH_VOWELS = 8
_VOWELS = frozenset("aeiou")
_NONE: frozenset[int] = frozenset()


def related(left: str, right: str) -> bool:
    """Whether another word in the same place may well be the same thing.

    Forms of one word, words of one family (quote, quotation), synonyms, words of one pole of a
    class, and a letter left out.
    """
    return left == right or (max(len(left), len(right)) <= _LONGEST and _related(left, right))


@lru_cache(maxsize=8_192)
def _related(left: str, right: str) -> bool:
    if left[0].isdigit() or right[0].isdigit():
        return False
    if left in GENERIC or right in GENERIC:
        return True
    if not _group(left).isdisjoint(_group(right)) or marks.same_pole(left, right):
        return True
    return same_word(left, right) or _one_family(left, right) or _mistyped(left, right)


def forget() -> None:
    """Let go of the pairs of words that are remembered."""
    _related.cache_clear()


def _one_family(left: str, right: str) -> bool:
    """Quote and quotation, art and artistic: mostly the same letters, another ending."""
    shared = _shared(left, right)
    if shared >= max(_SHORTEST_STEM, _MOST_OF_WORD * max(len(left), len(right))):
        return True
    return shared >= _SHORTEST_FAMILY and {left[shared:], right[shared:]} <= _FAMILY_ENDINGS


def _mistyped(left: str, right: str) -> bool:
    """A letter left out, or in a long word another vowel."""
    shorter, longer = sorted((left, right), key=len)
    shared = _shared(shorter, longer)
    if not shared or len(shorter) < _SHORTEST_MISTYPED:
        return False
    if len(longer) - len(shorter) == 1:
        return shorter[shared:] == longer[shared + 1 :]
    return (
        len(longer) == len(shorter) >= _SHORTEST_WITH_VOWELS
        and shorter[shared + 1 :] == longer[shared + 1 :]
        and {shorter[shared], longer[shared]} <= _VOWELS
    )


def _shared(left: str, right: str) -> int:
    length = 0
    for ours, theirs in zip(left, right, strict=False):
        if ours != theirs:
            break
        length += 1
    return length


def _group(word: str) -> frozenset[int]:
    return _GROUPS.get(word) or _GROUPS.get(word.removesuffix("s"), _NONE)
