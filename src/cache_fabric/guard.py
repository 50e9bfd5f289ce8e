"""The guard: whether two questions that lie close together may share an answer.

An embedding puts "enable" next to "disable", 3 next to 5 and "from A to B" next to "from B to A".
The guard reads both texts and says what tells them apart. It allows a pair only if the content
words are the same, in the same roles, and none of its checks objects: it refuses many true
paraphrases so as to be wrong on almost nothing.

Pure and linear in the length of the texts: some 80 us for two questions of ten words.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cache_fabric import english
from cache_fabric.spelling import same_word
from cache_fabric.wording import Word, Wording, read

__all__ = ["Verdict", "compare"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the pair is allowed, and if not, every reason against it in words."""

    allowed: bool
    reasons: tuple[str, ...] = ()


def compare(question: str, candidate: str) -> Verdict:
    """Return whether an answer to ``candidate`` may be served to ``question``.

    Texts over 8,192 characters are not read: the vector of so many words says nothing of the one
    that differs.
    """
    if question == candidate:
        return Verdict(True)
    if max(len(question), len(candidate)) > _LONGEST:
        return Verdict(False, ("too long to compare",))
    pair = _Pair(read(question), read(candidate))
    reasons = tuple(reason for check in _CHECKS for reason in check(pair))
    return Verdict(not reasons, reasons)


class _Pair:
    """Two readings, and the content words that only one of them has.

    Words that are one word in two forms count as shared; ``renamed`` maps the right form to the
    left one.
    """

    def __init__(self, left: Wording, right: Wording) -> None:
        self.left = left
        self.right = right
        ours = Counter(word.text for word in left.words)
        theirs = Counter(word.text for word in right.words)
        self.only_left = list((ours - theirs).elements())
        self.only_right = list((theirs - ours).elements())
        self.renamed: dict[str, str] = {}
        if max(len(self.only_left), len(self.only_right)) <= _MOST_RENAMED:
            self._rename()

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

    def sides(self) -> tuple[list[Word], list[Word]]:
        """The words of both sides, the right ones in their left form."""
        if not self.renamed:
            return self.left.words, self.right.words
        right = [
            word._replace(text=self.renamed.get(word.text, word.text)) for word in self.right.words
        ]
        return self.left.words, right


_LONGEST = 8_192
# More words than these are not paired one by one: such texts differ anyway.
_MOST_RENAMED = 6
_SHOWN_WORDS = 3
_SHOWN_CHARACTERS = 24


def _negation(pair: _Pair) -> Iterator[str]:
    ours = pair.left.negated
    theirs = [pair.renamed.get(word, word) for word in pair.right.negated]
    if len(ours) != len(theirs) or (pair.same_words and sorted(ours) != sorted(theirs)):
        yield "negation differs"


def _words(pair: _Pair) -> Iterator[str]:
    """One reason for each kind of word that only one side has."""
    names = pair.left.names | pair.right.names
    opposed = {
        word
        for ours in pair.only_left[:_MOST_RENAMED]
        for theirs in pair.only_right[:_MOST_RENAMED]
        if _opposite(ours, theirs)
        for word in (ours, theirs)
    }
    sides: dict[str, tuple[list[str], list[str]]] = {}
    for side, words in enumerate((pair.only_left, pair.only_right)):
        for word in words:
            kind = "opposites" if word in opposed else _kind(word, names)
            sides.setdefault(kind, ([], []))[side].append(word)
    for kind, (ours, theirs) in sides.items():
        yield f"{kind} differ: {_shown(ours)} / {_shown(theirs)}"


def _kind(word: str, names: set[str]) -> str:
    if word[0].isdigit():
        return "numbers"
    if word in english.DATES:
        return "dates"
    return "names" if word in names else "words"


def _opposite(left: str, right: str) -> bool:
    shorter, longer = sorted((left, right), key=len)
    return (
        frozenset((left, right)) in english.OPPOSITES
        or longer.removesuffix(shorter) in _NEGATING_PREFIXES
    )


_NEGATING_PREFIXES = frozenset(("un", "dis", "in", "im", "il", "ir", "non", "de", "mis"))


def _shown(words: Sequence[str]) -> str:
    shown = " ".join(word[:_SHOWN_CHARACTERS] for word in words[:_SHOWN_WORDS])
    return shown + " ..." if len(words) > _SHOWN_WORDS else shown


def _quotation(pair: _Pair) -> Iterator[str]:
    ours, theirs = pair.left.quoted, pair.right.quoted
    if ours and theirs and sorted(ours) != sorted(theirs):
        yield "quoted text differs"


def _tense(pair: _Pair) -> Iterator[str]:
    if pair.left.tense != pair.right.tense:
        yield "tense differs"


def _form(pair: _Pair) -> Iterator[str]:
    """A request and a "what" question ask for the same; a yes-or-no question does not."""
    ours, theirs = pair.left.form, pair.right.form
    if ours != theirs and not {ours, theirs} <= {"", "what"}:
        yield f"form of question differs: {ours or 'other'} / {theirs or 'other'}"


def _owner(pair: _Pair) -> Iterator[str]:
    ours, theirs = pair.left.owners, pair.right.owners
    if ours and theirs and ours != theirs:
        yield f"owner differs: {_shown(sorted(ours))} / {_shown(sorted(theirs))}"


def _persons(pair: _Pair) -> Iterator[str]:
    ours, theirs = pair.left.persons, pair.right.persons
    if len(set(ours)) == len(set(theirs)) == 2 and ours[0] != theirs[0]:
        yield "I and you change places"


def _quantity(pair: _Pair) -> Iterator[str]:
    """Tell "all my meetings" from "my meeting": the quantifier and the noun's number change."""
    if pair.left.every != pair.right.every and pair.renamed:
        yield "quantity differs"


def _order(pair: _Pair) -> Iterator[str]:
    if not pair.same_words:
        return
    left, right = pair.sides()
    if [word.text for word in left] != [word.text for word in right]:
        if not _only_moved(left, right):
            yield "word order differs"
        return
    for ours, theirs in zip(left, right, strict=True):
        if ours.role != theirs.role and (_tied(ours, theirs) or _needs_role(ours, theirs)):
            yield f"roles differ: {_with_role(ours)} / {_with_role(theirs)}"
            return


def _tied(ours: Word, theirs: Word) -> bool:
    return bool(ours.role or ours.place) and bool(theirs.role or theirs.place)


def _needs_role(ours: Word, theirs: Word) -> bool:
    """By ten is not ten, and cited by her is not citing her."""
    return ours.text[0].isdigit() or "by" in (ours.role, theirs.role)


def _with_role(word: Word) -> str:
    return _shown((f"{word.role or word.place} {word.text}".strip(),))


def _only_moved(left: list[Word], right: list[Word]) -> bool:
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


def _phrases_kept(left: list[Word], right: list[Word]) -> bool:
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


_CHECKS: tuple[Callable[[_Pair], Iterator[str]], ...] = (
    _negation,
    _words,
    _quotation,
    _tense,
    _form,
    _owner,
    _persons,
    _quantity,
    _order,
)
