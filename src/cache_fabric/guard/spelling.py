"""Whether two words are one word: another ending, another country's spelling, a slip of the key."""

from __future__ import annotations

__all__ = ["same_word"]

_ENDINGS = frozenset(
    frozenset(pair.split("/"))
    for pair in [
        *("/s", "/es", "y/ies", "/ed", "/d", "/ing", "e/ing", "s/ing", "ed/ing", "es/ing", "s/ed"),
        *("d/s", "ies/ying", "y/ied", "ied/ies", "ied/ying", "y/ily"),
    ]
)
_NOUN_ENDINGS = frozenset((frozenset(("", "ation")), frozenset(("s", "ation"))))
_SHORTEST_STEM = 3
_SHORTEST_NOUN_STEM = 6
_SHORTEST_SPELLED = 5
_SHORTEST_MISTYPED = 6


def same_word(left: str, right: str, *, spelled: bool = True) -> bool:
    """True for two forms of one word; never for numbers.

    Args:
        left: A word in lower case.
        right: Another one.
        spelled: Whether another spelling or a slip may be seen through, which is not for names.
    """
    if left[0].isdigit() or right[0].isdigit():
        return False
    stem = _shared(left, right)
    if _same_stem(left, right, stem):
        return True
    if not spelled or not stem or min(len(left), len(right)) < _SHORTEST_SPELLED:
        return False
    tail = _shared(left[: stem - 1 : -1], right[: stem - 1 : -1])
    return _same_spelling(
        left[stem : len(left) - tail],
        right[stem : len(right) - tail],
        left[stem - 1],
        mistyped=min(len(left), len(right)) >= _SHORTEST_MISTYPED,
    )


def _shared(left: str, right: str) -> int:
    """Length of the common beginning."""
    length = 0
    for ours, theirs in zip(left, right, strict=False):
        if ours != theirs:
            break
        length += 1
    return length


def _same_stem(left: str, right: str, stem: int) -> bool:
    if stem < _SHORTEST_STEM:
        return False
    endings = frozenset((left[stem:], right[stem:]))
    if endings in _ENDINGS or (endings in _NOUN_ENDINGS and stem >= _SHORTEST_NOUN_STEM):
        return True
    shorter, longer = sorted((left[stem:], right[stem:]), key=len)
    doubled = longer[:1] == left[stem - 1] and longer[1:] in ("ed", "ing")  # stop, stopped
    return doubled and shorter in ("", "s")


def _same_spelling(ours: str, theirs: str, before: str, *, mistyped: bool) -> bool:
    """Compare what is left between the common beginning and the common end of two words."""
    parts = {ours, theirs}
    if parts in ({"s", "z"}, {"s", "c"}) or (parts == {"", "u"} and before == "o"):
        return True  # organise, defence, colour
    # A swapped pair or a doubled letter only: another letter is too often another word.
    swapped = len(ours) == 2 and ours == theirs[::-1]
    repeated = parts == {"", before}
    return mistyped and (swapped or repeated)
