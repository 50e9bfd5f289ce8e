"""Which words of a sentence say what is asked for, and how they are tied together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cache_fabric.guard import english
from cache_fabric.guard.wording import Word, Wording

__all__ = ["Sentence"]

# Words that say something or nothing, as their neighbors have it.
_SOMETIMES_IDLE: dict[str, Callable[[str, str], bool]] = {
    "am": lambda before, after: "i" in (before, after),
    "going": lambda _, after: after == "to",
    "happens": lambda before, _: before == "what",
    "there": lambda before, after: not before or not {before, after}.isdisjoint(english.BE_DO_HAVE),
    **dict.fromkeys(english.SORTS, lambda _, after: after == "of"),
    **dict.fromkeys(english.DEMONSTRATIVES, lambda _, after: after not in english.PERIODS),
}
# Says who, when or how much of it, whatever else it is.
_NOTED = (
    english.SUBJECTS
    | english.PAST
    | english.QUANTIFIERS
    | {"will", "going", *english.PERSONS, *english.OWNERS}
)
# Whatever else is content, which most words are.
_GRAMMAR = (
    english.NEGATIONS
    | english.PLACES
    | english.IDLE
    | english.WISH
    | english.REQUEST
    | {"between", "and", *english.ROLES, *_SOMETIMES_IDLE}
)


class Sentence:
    """Goes through the terms of one text once and files each where it belongs."""

    def __init__(self, wording: Wording, terms: Sequence[str]) -> None:
        self._to = wording
        self._terms = terms
        self._place = ""
        self._role = ""
        self._between = False
        self._negations = 0
        self._denies = False
        # At its head a request may be dressed up ("could you show me"); a question may not.
        self._at_head = wording.form in ("", "what")

    def read(self) -> None:
        for at, term in enumerate(self._terms):
            before = self._terms[at - 1] if at else ""
            after = self._terms[at + 1] if at + 1 < len(self._terms) else ""
            if term in _NOTED:
                self._note(term, before, after)
            if term not in _GRAMMAR:
                self._keep(term, before, after)
            elif term in english.NEGATIONS:
                self._negations += 1
                self._denies = self._denies or not self._complains(at, before)
            elif not (self._ties(term, before) or self._is_idle(term, before, after)):
                self._keep(term, before, after)
        # A preposition that ties nothing is the particle of a verb: "turn the lights on".
        if self._place or self._role:
            self._keep(self._role or self._place, "", "")
        self._to.negated += [""] * self._negations

    def _complains(self, at: int, before: str) -> bool:
        """Whether a negation tells what is wrong: "I can't log in" asks how to log in."""
        return before in ("i", "we") and (at == 1 or self._terms[at - 2] in english.CLAUSES)

    def _note(self, term: str, before: str, after: str) -> None:
        if term in english.PERSONS:
            self._to.persons.append(english.PERSONS[term])
        if term in english.OWNERS:
            self._to.owners.add(english.OWNERS[term])
        if term in english.SUBJECTS:
            self._to.subjects.add(term)
        self._to.tense = self._to.tense or self._tense(term, before, after)
        self._to.every = self._to.every or term in english.QUANTIFIERS

    def _tense(self, term: str, before: str, after: str) -> str:
        if term == "will":
            return "future" if before else ""  # "will you please" asks for something now
        if term == "going" and after == "to":
            plans = before in english.BE_DO_HAVE or before in english.SUBJECTS
            return "future" if plans else ""  # "trains going to Rome" go there today
        return "past" if term in english.PAST else ""

    def _ties(self, term: str, before: str) -> bool:
        """Whether the word ties the next one to the sentence, and remembers how."""
        if term == "between":
            self._role, self._between = "from", True
        elif term == "and":
            self._and()
        elif term in english.ROLES:
            role = english.ROLES[term]
            self._role = f"{self._role} {role}" if self._role not in ("", "and", role) else role
        elif term in english.PLACES and before not in english.PARTICLE_VERBS:
            self._place = term
        else:
            return False
        return True

    def _and(self) -> None:
        words = self._to.words
        if self._between:
            self._role, self._between = "to", False
        elif words and not self._role:
            words[-1] = words[-1]._replace(role=words[-1].role or "and", opens=True)
            self._role = "and"

    def _is_idle(self, term: str, before: str, after: str) -> bool:
        """Whether the word greets, asks or fills, and says nothing of what is asked for."""
        if term in _SOMETIMES_IDLE:
            return _SOMETIMES_IDLE[term](before, after)
        if term in english.IDLE:
            self._at_head = self._at_head and term not in ("what", "which")
            return True
        return self._at_head and self._only_asks(term, before)

    def _only_asks(self, term: str, before: str) -> bool:
        if term in english.WISH:
            return before in ("i", "we", "would")
        return term in english.REQUEST and before not in ("i", "we", "they", "people")

    def _keep(self, term: str, before: str, after: str) -> None:
        words = self._to.words
        self._at_head = False
        if term in english.WAYS and after in ("to", "of", "for"):
            if words and words[-1].text in ("best", "good"):
                words.pop()
            term = "how"
        elif (before, term) == ("happens", "when"):
            term = "if"
        elif term == "states" and words and words[-1].text == "united":
            words.pop()
            term = "usa"
        text = english.SAME.get(term) or english.SAME.get(term.removesuffix("s"), term)
        tied = bool(self._place or self._role)
        nominal = before in english.BEFORE_NOUN or (not words and before in english.AUXILIARIES)
        words.append(Word(text, self._place, self._role, tied or not words, nominal))
        self._to.negated += [text] * self._negations
        if self._denies or before in english.DENIALS:
            self._to.denied.add(text)
        self._place, self._role, self._negations, self._denies = "", "", 0, False
