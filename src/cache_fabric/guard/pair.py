"""Two readings side by side: what they share, and what stands in the place of what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from cache_fabric.guard.spelling import same_word
from cache_fabric.guard.wording import Word, Wording

__all__ = ["Pair"]

# More words than these are not paired one by one: such texts differ anyway.
_MOST_RENAMED = 6
# A gap of more words is another sentence rather than another word in the same place.
_LONGEST_SLOT = 3


class Pair:
    """Two readings, and the content words that only one of them has.

    Words that are one word in two forms count as shared; ``renamed`` maps the right form to the
    left one. ``slots`` are the places where the sides differ, between words that they share:
    (ours, theirs), either possibly empty.
    """

    def __init__(self, left: Wording, right: Wording) -> None:
        self.left = left
        self.right = right
        self.only_left = _only(left, right)
        self.only_right = _only(right, left)
        self.renamed: dict[str, str] = {}
        if max(len(self.only_left), len(self.only_right)) <= _MOST_RENAMED:
            self._rename()
        self.anchors = list(self._anchors())
        self.slots = list(self._slots())

    def _rename(self) -> None:
        for theirs in tuple(self.only_right):
            for ours in self.only_left:
                name = ours in self.left.names and theirs in self.right.names
                if same_word(ours, theirs, spelled=not name):
                    self.renamed[theirs] = ours
                    self.only_left.remove(ours)
                    self.only_right.remove(theirs)
                    break

    @property
    def same_words(self) -> bool:
        return not self.only_left and not self.only_right

    @property
    def shared(self) -> int:
        """Number of content words that both sides have."""
        return len(self.left.words) - len(self.only_left)

    def sides(self) -> tuple[list[Word], list[Word]]:
        """The words of both sides, the right ones in their left form."""
        if not self.renamed:
            return self.left.words, self.right.words
        right = [
            word._replace(text=self.renamed.get(word.text, word.text)) for word in self.right.words
        ]
        return self.left.words, right

    def _anchors(self) -> Iterator[tuple[int, int]]:
        """Positions of shared words that stand in the same order on both sides."""
        places = {word.text: at for at, word in reversed(list(enumerate(self.right.words)))}
        for theirs, ours in self.renamed.items():
            places.setdefault(ours, places[theirs])
        last = -1
        for at, word in enumerate(self.left.words):
            place = places.get(word.text, -1)
            if place > last:
                yield at, place
                last = place

    def _slots(self) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
        left, right = self.left.words, self.right.words
        ends = [(-1, -1), *self.anchors, (len(left), len(right))]
        for (our_start, their_start), (our_end, their_end) in pairwise(ends):
            ours, theirs = our_end - our_start - 1, their_end - their_start - 1
            if 0 < max(ours, theirs) <= _LONGEST_SLOT:
                yield (
                    tuple(word.text for word in left[our_start + 1 : our_end]),
                    tuple(word.text for word in right[their_start + 1 : their_end]),
                )


def _only(left: Wording, right: Wording) -> list[str]:
    if left.unique and right.unique:
        texts = right.texts
        return [word.text for word in left.words if word.text not in texts]
    ours = Counter(word.text for word in left.words)
    return list((ours - Counter(word.text for word in right.words)).elements())
