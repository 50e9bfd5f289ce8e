"""A batch of the demo's questions in a stated mix, each labelled with what it is."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

from cache_fabric.demo.traffic import DemoData, Group, Kind, Question, Trap
from cache_fabric.errors import ValidationError

__all__ = ["DEFAULT_MIX", "MOST", "mixed"]

DEFAULT_MIX: Mapping[str, int] = {"repeat": 40, "paraphrase": 30, "new": 20, "trap": 10}
MOST = 400


def mixed(data: DemoData, mix: Mapping[str, int], seed: int = 0) -> list[Question]:
    """Return a batch in random order, the same for the same seed.

    A repeat, a paraphrase or a trap comes after the question that it belongs to. Where the table
    has no more of a kind (64 groups, 40 traps), the request becomes a repeat: ``kind`` says what
    each is in truth.

    Raises:
        ValidationError: A kind is unknown or its count is none, or they are too many or nothing.
    """
    counts = _checked(mix)
    rng = random.Random(seed)  # noqa: S311 - a reproducible draw, not a secret
    batch = _Batch(data, rng)
    wanted = [kind for kind, count in counts.items() for _ in range(count)]
    rng.shuffle(wanted)
    asked: list[Question] = []
    while wanted:
        at = next((n for n, kind in enumerate(wanted) if batch.has(kind)), None)
        kind = "new" if not asked else "repeat" if at is None else wanted[at]
        wanted.pop(0 if at is None else at)
        asked.append(replace(batch.draw(kind), index=len(asked)))
    return asked


def _checked(mix: Mapping[str, int]) -> dict[Kind, int]:
    for name, count in mix.items():
        if name not in DEFAULT_MIX:
            raise ValidationError(f"mix.{name}", f"expected one of {', '.join(DEFAULT_MIX)}")
        if type(count) is not int or count < 0:
            raise ValidationError(f"mix.{name}", f"expected a whole number from 0, got {count!r}")
    if not 0 < sum(mix.values()) <= MOST:
        raise ValidationError("mix", f"expected 1 to {MOST} requests in all")
    kinds: tuple[Kind, ...] = ("repeat", "paraphrase", "new", "trap")
    return {kind: mix.get(kind, 0) for kind in kinds}


class _Batch:
    """What was asked so far, and what may be asked next."""

    def __init__(self, data: DemoData, rng: random.Random) -> None:
        self._rng = rng
        self._prompts = data.system_prompts
        self._groups = list(data.groups)
        rng.shuffle(self._groups)
        self._traps = list(data.traps)
        rng.shuffle(self._traps)
        self._nears = frozenset((trap.app, trap.near) for trap in data.traps)
        self._groups.sort(key=self._is_trapped)  # taken from the end
        self._unasked: list[tuple[Group, str]] = []  # other phrasings of groups that were asked
        self._asked: list[Question] = []

    def has(self, kind: Kind) -> bool:
        if kind == "new":
            return bool(self._groups)
        if kind == "paraphrase":
            return bool(self._unasked)
        if kind == "trap":
            return self._next_trap() is not None
        return bool(self._asked)

    def draw(self, kind: Kind) -> Question:
        if kind == "repeat":
            return replace(self._rng.choice(self._asked), kind="repeat")
        if kind == "trap":
            trap = self._next_trap()
            assert trap is not None
            self._traps.remove(trap)
            return self._placed(trap, trap.question, kind)
        if kind == "paraphrase":
            group, text = self._unasked.pop(self._rng.randrange(len(self._unasked)))
            return self._placed(group, text, kind)
        group = self._groups.pop()
        # What a trap resembles comes first, so that the trap can be one.
        first, *others = sorted(
            group.questions, key=lambda text: ((group.app, text) not in self._nears, text)
        )
        self._unasked += [(group, text) for text in others]
        return self._placed(group, first, "new")

    def _is_trapped(self, group: Group) -> bool:
        return any((group.app, text) in self._nears for text in group.questions)

    def _next_trap(self) -> Trap | None:
        asked = {(question.app, question.text) for question in self._asked}
        return next((trap for trap in self._traps if (trap.app, trap.near) in asked), None)

    def _placed(self, source: Group | Trap, text: str, kind: Kind) -> Question:
        prompt = self._prompts[source.app]
        question = Question(0, text, source.id, source.answer, source.app, prompt, kind)
        self._asked.append(question)
        return question
