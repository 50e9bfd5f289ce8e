"""Two readings side by side: what they share, and what stands in the place of what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cache_fabric.guard.spelling import same_word
from cache_fabric.guard.wording import Word, Wording

__all__ = ["Pair", "Slot"]

# More words than these are not paired one by one: such texts differ anyway.
_MOST_RENAMED = 6
# A gap of more words is another sentence rather than another word in the same place.
_LONGEST_SLOT = 3
_SHOWN_WORDS = 3
_SHOWN_CHARACTERS = 24

Slot = tuple[tuple[str, ...], tuple[str, ...]]


class Pair:
    """Two readings, and the content words that only one of them has.

    Words that are one word in two forms count as shared; ``renamed`` maps the right form to the
    left one. ``anchors`` are the shared words that stand in the same order on both sides, by
    position, and ``slots`` the places between them where the sides differ: (ours, theirs), of
    which one may be empty.

    Args:
        left: Of the text that comes first in the alphabet, so that the order of asking, on which
            pairing depends where words repeat, decides nothing.
        right: Of the other.
        turned: Whether the right one was asked.
    """

    def __init__(self, left: Wording, right: Wording, *, turned: bool = False) -> None:
        self._turned = turned
        self.left = left
        self.right = right
        self.only_left = _only(left, right)
        self.only_right = _only(right, left)
        self.names = left.names | right.names
        self.renamed: dict[str, str] = {}
        if 0 < len(self.only_left) <= _MOST_RENAMED >= len(self.only_right) > 0:
            self._rename()
        self.same_words = not self.only_left and not self.only_right
        self.anchors = self._anchors()
        self.slots = self._slots()

    def _rename(self) -> None:
        for theirs in tuple(self.only_right):
            for ours in self.only_left:
                if ours[0] != theirs[0]:
                    continue  # no two forms of a word begin otherwise
                name = ours in self.left.names and theirs in self.right.names
                if same_word(ours, theirs, spelled=not name):
                    self.renamed[theirs] = ours
                    self.only_left.remove(ours)
                    self.only_right.remove(theirs)
                    break

    @property
    def shared(self) -> int:
        """Number of content words that both sides have."""
        return len(self.left.words) - len(self.only_left)

    def told(self, ours: Sequence[str], theirs: Sequence[str]) -> str:
        """Both sides' first words, shortened, for a reason: the question's, the candidate's."""
        return " / ".join(self.as_asked(_shown(ours), _shown(theirs)))

    def as_asked(self, ours: str, theirs: str) -> tuple[str, str]:
        """What the question has first, what the candidate has last."""
        return (theirs, ours) if self._turned else (ours, theirs)

    def sides(self) -> tuple[Sequence[Word], Sequence[Word]]:
        """The words of both sides, every word in one form."""
        left, right = self.left.words, self.right.words
        return (
            (self._in_one_form(left), self._in_one_form(right)) if self.renamed else (left, right)
        )

    def _in_one_form(self, words: Sequence[Word]) -> Sequence[Word]:
        return [word._replace(text=self.renamed.get(word.text, word.text)) for word in words]

    def _anchors(self) -> list[tuple[int, int]]:
        there = self.right.positions
        if self.renamed:
            there = {**{ours: there[theirs] for theirs, ours in self.renamed.items()}, **there}
        anchors: list[tuple[int, int]] = []
        last = -1
        for at, word in enumerate(self.left.words):
            place = there.get(word.text, -1)
            if place > last:
                anchors.append((at, place))
                last = place
        return anchors

    def _slots(self) -> list[Slot]:
        left, right = self.left.words, self.right.words
        slots: list[Slot] = []
        our_start = their_start = 0
        for our_end, their_end in (*self.anchors, (len(left), len(right))):
            ours, theirs = our_end - our_start, their_end - their_start
            if (ours or theirs) and ours <= _LONGEST_SLOT >= theirs:
                our_words = [word.text for word in left[our_start:our_end]]
                their_words = [word.text for word in right[their_start:their_end]]
                slots.append((tuple(our_words), tuple(their_words)))
            our_start, their_start = our_end + 1, their_end + 1
        return slots


def _shown(words: Sequence[str]) -> str:
    text = " ".join([word[:_SHOWN_CHARACTERS] for word in words[:_SHOWN_WORDS]])
    return text + " ..." if len(words) > _SHOWN_WORDS else text


def _only(left: Wording, right: Wording) -> list[str]:
    if left.unique and right.unique:
        places = right.positions
        return [text for text in left.positions if text not in places]
    ours = Counter(word.text for word in left.words)
    return list((ours - Counter(word.text for word in right.words)).elements())
