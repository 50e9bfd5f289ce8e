"""Who does what to whom: the order of the words and the prepositions that tie them."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence

from cache_fabric.guard import english
from cache_fabric.guard.pair import Pair
from cache_fabric.guard.verdict import Kind, Objection
from cache_fabric.guard.wording import Word

__all__ = ["order"]


def order(pair: Pair) -> Iterator[Objection]:
    """Object to the same words in another order or in other roles."""
    if not pair.same_words:
        return
    left, right = pair.sides()
    if [word.text for word in left] != [word.text for word in right]:
        if not _only_moved(left, right):
            yield Objection(Kind.ORDER, "word order differs")
        return
    for ours, theirs in zip(left, right, strict=True):
        if ours.role != theirs.role and (_tied(ours, theirs) or _needs_role(ours, theirs)):
            reason = f"roles differ: {pair.told(_with_role(ours), _with_role(theirs))}"
            yield Objection(Kind.ORDER, reason)
            return


def _tied(ours: Word, theirs: Word) -> bool:
    return bool(ours.role or ours.place) and bool(theirs.role or theirs.place)


def _needs_role(ours: Word, theirs: Word) -> bool:
    """By ten is not ten, and cited by her is not citing her."""
    return ours.text[0].isdigit() or "by" in (ours.role, theirs.role)


def _with_role(word: Word) -> tuple[str]:
    return (f"{word.role or word.place} {word.text}".strip(),)


def _only_moved(left: Sequence[Word], right: Sequence[Word]) -> bool:
    """Whether the same words are only said in another order.

    Every word keeps its role. Phrases may change places, the words within one may not. A loose
    phrase may move before its noun ("the price of silver", "the silver price"), but two may not
    trade their prepositions ("sister of my mother", "mother of my sister"). The particle of a verb
    may stand anywhere.
    """
    symmetric = any(word.text in english.SYMMETRIC for word in left)
    roles = Counter(_role(word, symmetric) for word in left)
    if roles != Counter(_role(word, symmetric) for word in right):
        return False
    ours = Counter(word.text for word in left if word.place)
    theirs = Counter(word.text for word in right if word.place)
    if ours == theirs:
        return _phrases_kept(left, right) and _phrases_kept(right, left)
    if theirs < ours:
        return _phrases_kept(left, right)
    return ours < theirs and _phrases_kept(right, left)


def _role(word: Word, symmetric: bool) -> tuple[str, str]:
    """In "the difference between A and B" the two change places freely."""
    return word.text, "both" if symmetric and word.role in ("from", "to", "and") else word.role


def _phrases_kept(left: Sequence[Word], right: Sequence[Word]) -> bool:
    """Whether the words of each phrase on the left keep their order on the right."""
    positions: defaultdict[str, deque[int]] = defaultdict(deque)
    for at, word in enumerate(right):
        positions[word.text].append(at)
    last = -1
    for word in left:
        if word.opens:
            last = -1
        at = positions[word.text].popleft()
        if word.text in english.PARTICLES:
            continue
        if at < last:
            return False
        last = at
    return True
