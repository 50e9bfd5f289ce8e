"""The demo's traffic: who asks what, in which order, and which answer would be right.

Two applications share one stream: the support of a shop and the moderation of a forum. Their
questions lie beside this file, grouped by answer: a group is one answer and the phrasings that
people ask for it in; a trap is a question one small edit away from a group's, with another answer.

The mix was chosen once and by rule; no cache's result went into it:

* every trap is asked once, at a random moment after the question that it resembles;
* all other requests are shared out to the groups by a Zipf law (P ~ rank^-0.8, the law of the
  evaluation streams) over a random ranking, but every group gets at least two;
* a group's first two requests use two different phrasings, the rest draw a phrasing at random,
  so exact repeats follow from the law and are not added on top.

With 64 groups and 40 traps, 104 of 300 requests (35 %) need a model call whatever the cache does;
about 32 % are paraphrases and 33 % exact repeats. A perfect cache has a hit rate of 65.3 %.
"""

from __future__ import annotations

import gzip
import itertools
import json
import math
import random
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import IO, Any, Literal

from cache_fabric.errors import ValidationError

__all__ = [
    "DemoData",
    "Group",
    "Question",
    "Trap",
    "demo_stream",
    "labelled_stream",
    "load_demo",
]

App = Literal["support", "moderation"]
Kind = Literal["new", "paraphrase", "repeat", "trap"]
TrapKind = Literal["negation", "number", "date", "product", "place", "order"]

_APPS: tuple[App, ...] = ("support", "moderation")
_ZIPF_EXPONENT = 0.8
_PHRASINGS_SHOWN = 2


@dataclass(frozen=True, slots=True)
class Group:
    """One answer and the phrasings it is asked for in."""

    id: str
    app: App
    answer: str
    questions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trap:
    """A question that reads like ``near``, a group's question, and needs another answer."""

    id: str
    app: App
    answer: str
    question: str
    near: str
    kind: TrapKind


@dataclass(frozen=True, slots=True)
class DemoData:
    """All that the demo's users may ask: system prompt by application, groups, traps."""

    system_prompts: Mapping[App, str]
    groups: tuple[Group, ...]
    traps: tuple[Trap, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """One request of a stream, labelled.

    Attributes:
        index: Position in the stream, from 0.
        text: What the user typed.
        group: Id of the answer group; an answer is right for its own group and no other.
        answer: The group's answer.
        app: The application that is asked: ``"support"``, ``"moderation"``, or a file's scope.
        system_prompt: The application's system prompt.
        kind: ``"new"``, the group's first request; ``"paraphrase"``, the group was asked for in
            other words before; ``"repeat"``, the same text byte for byte; ``"trap"``.
    """

    index: int
    text: str
    group: str
    answer: str
    app: str
    system_prompt: str
    kind: Kind


def load_demo() -> DemoData:
    """The demo's questions, read from the package: support first, then moderation."""
    files = [(app, _package_json(f"{app}.json")) for app in _APPS]
    return DemoData(
        system_prompts={app: content["system_prompt"] for app, content in files},
        groups=tuple(
            Group(row["id"], app, row["answer"], tuple(row["questions"]))
            for app, content in files
            for row in content["groups"]
        ),
        traps=tuple(Trap(app=app, **row) for app, content in files for row in content["traps"]),
    )


def demo_stream(n: int = 300, seed: int = 7) -> list[Question]:
    """The demo's ``n`` requests in order: the same for the same seed, on every machine.

    Raises ``ValidationError`` if ``n`` leaves no room for every trap and two requests a group.
    """
    data = load_demo()
    smallest = _PHRASINGS_SHOWN * len(data.groups) + len(data.traps)
    if n < smallest:
        raise ValidationError("n", f"expected at least {smallest} requests, got {n}")
    # Only random() itself is promised to give the same numbers in every Python version.
    rng = random.Random(seed)  # noqa: S311 - a reproducible draw, not a secret
    nears = frozenset((trap.app, trap.near) for trap in data.traps)
    requests: list[tuple[float, Question]] = []
    first_asked: dict[tuple[str, str], float] = {}
    ranking = sorted(data.groups, key=lambda _: rng.random())
    for group, count in zip(ranking, _zipf_counts(len(ranking), n - len(data.traps)), strict=True):
        prompt = data.system_prompts[group.app]
        for text in _phrasings(group, count, nears, rng):
            moment, key = rng.random(), (group.app, text)
            first_asked[key] = min(moment, first_asked.get(key, moment))
            requests.append((moment, _unplaced(text, group, prompt)))
    for trap in data.traps:
        near = first_asked[trap.app, trap.near]
        moment = 1.0 - (1.0 - near) * rng.random()  # in (near, 1]: never before its near question
        prompt = data.system_prompts[trap.app]
        requests.append((moment, _unplaced(trap.question, trap, prompt)))
    requests.sort(key=lambda timed: timed[0])
    return _placed((request for _, request in requests), frozenset(t.id for t in data.traps))


def labelled_stream(path: Path, limit: int | None = None) -> list[Question]:
    """The first ``limit`` requests of a labelled ``.jsonl`` or ``.jsonl.gz`` file, or all of them.

    A row is ``{"text", "class", "scope"?}`` in request order; ``i``, ``rep`` and ``oos`` may be
    there and are not needed, because a question's kind is computed from the rows before it. The
    answer is ``"A:"`` and the class, the application is the scope or ``"data"``. A class that
    comes back in a second scope is another group there: an answer must not cross scopes.

    Raises ``ValidationError``, with file, line and field, for a file or a row that cannot be used.
    """
    if limit is not None and limit < 1:
        raise ValidationError("limit", f"expected a whole number above 0, got {limit}")
    home: dict[str, str] = {}
    requests: list[Question] = []
    for line_number, line in itertools.islice(_lines(path), limit):
        row = _row(line, f"{path} line {line_number}")
        text, label, app = row["text"], row["class"], row.get("scope") or "data"
        group = label if home.setdefault(label, app) == app else f"{app}/{label}"
        prompt = f"You answer the questions of one application: {app}."
        requests.append(Question(0, text, group, f"A:{group}", app, prompt, "new"))
    if not requests:
        raise ValidationError(str(path), "expected at least one row")
    return _placed(requests)


def _package_json(name: str) -> Any:
    return json.loads(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))


def _zipf_counts(groups: int, requests: int) -> list[int]:
    """Requests per rank: each goes to the rank that is farthest below its share of the law."""
    weights = [rank**-_ZIPF_EXPONENT for rank in range(1, groups + 1)]
    total = math.fsum(weights)  # sum() rounds differently from Python 3.12 on
    shares = [requests * weight / total for weight in weights]
    counts = [_PHRASINGS_SHOWN] * groups
    for _ in range(requests - sum(counts)):
        counts[max(range(groups), key=lambda rank: shares[rank] - counts[rank])] += 1
    return counts


def _phrasings(
    group: Group, count: int, nears: frozenset[tuple[App, str]], rng: random.Random
) -> list[str]:
    """``count`` texts of the group; those that a trap resembles come first, so they are asked."""
    texts = sorted(group.questions, key=lambda text: ((group.app, text) not in nears, rng.random()))
    more = (texts[int(rng.random() * len(texts))] for _ in range(count - _PHRASINGS_SHOWN))
    return [*texts[:_PHRASINGS_SHOWN], *more]


def _unplaced(text: str, source: Group | Trap, system_prompt: str) -> Question:
    return Question(0, text, source.id, source.answer, source.app, system_prompt, "new")


def _placed(requests: Iterable[Question], traps: frozenset[str] = frozenset()) -> list[Question]:
    """The requests with the index and the kind that their order gives them."""
    seen: set[tuple[str, ...]] = set()
    stream: list[Question] = []
    for index, request in enumerate(requests):
        group = (request.app, request.group)
        text = (*group, request.text)
        kind: Kind = "new"
        if text in seen:
            kind = "repeat"
        elif request.group in traps:
            kind = "trap"
        elif group in seen:
            kind = "paraphrase"
        seen.update((group, text))
        stream.append(replace(request, index=index, kind=kind))
    return stream


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Every line that is not blank, with its number from 1; the file is read as it is used."""
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        raise ValidationError(str(path), "expected a .jsonl or .jsonl.gz file")
    number = 0
    try:
        with _open_text(path) as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line
    except gzip.BadGzipFile as error:
        raise ValidationError(str(path), f"expected gzip data: {error}") from error
    except (EOFError, zlib.error) as error:
        raise ValidationError(str(path), f"gzip data broken after line {number}") from error
    except OSError as error:
        raise ValidationError(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValidationError(f"{path} after line {number}", "expected UTF-8 text") from error


def _open_text(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _row(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValidationError(where, "invalid JSON") from error
    if not isinstance(row, dict):
        raise ValidationError(where, "expected a JSON object")
    _require_texts(row, ("text", "class"), where)
    if row.get("scope") is not None:
        _require_texts(row, ("scope",), where)
    return row


def _require_texts(row: dict[str, Any], names: Sequence[str], where: str) -> None:
    for name in names:
        if name not in row:
            raise ValidationError(f"{where}, field {name!r}", "is missing")
        if not isinstance(row[name], str) or not row[name].strip():
            raise ValidationError(f"{where}, field {name!r}", "expected text that is not empty")
