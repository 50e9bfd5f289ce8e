"""What a process keeps of all verdicts, taken in at its start and changed by the log."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cache_fabric import codec, live_verdicts
from cache_fabric.live_verdicts import MARKS, LiveVerdicts, Mark
from cache_fabric.near_twins import Twin, packed
from cache_fabric.stores.base import Record
from cache_fabric.verdict_rules import Negative

SECRET = b"s" * 32
ASKED = np.array([1.0, 0.0], np.float32)


def record(number: int) -> Record:
    pair = Negative(asked=f"q{number}", vector=packed(ASKED))
    mark = Mark(id=f"e{number}.1", at=1.0, partition="p", negatives=(pair,))
    return Record(f"{MARKS}{mark.id}", codec.pack(mark, SECRET), 1)


def test_a_snapshot_costs_one_pair_each_however_many_lie_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []

    def counted(*args: Any) -> Twin:
        made.append(args)
        return Twin(*args)

    monkeypatch.setattr(live_verdicts, "Twin", counted)
    verdicts = LiveVerdicts(SECRET)
    verdicts.replace([record(number) for number in range(300)])
    assert len(verdicts.near("p", ASKED, (), 0.9)) == 300
    assert len(made) == 300
    verdicts.take("e300.1", record(300))
    assert len(verdicts.near("p", ASKED, (), 0.9)) == 301
    assert len(made) == 301


def test_what_was_lifted_accuses_nobody() -> None:
    verdicts = LiveVerdicts(SECRET)
    verdicts.replace([record(1), record(2)])
    assert len(verdicts.near("p", ASKED, (), 0.9)) == 2
    verdicts.take("e1.1", None)
    assert [twin.asked_key for twin, _ in verdicts.near("p", ASKED, (), 0.9)] == ["q2"]
    verdicts.replace([])
    assert verdicts.near("p", ASKED, (), 0.9) == []
