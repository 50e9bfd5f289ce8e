"""The judged log of a live fabric, and a fabric that takes up what was tuned from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import (
    CacheFabric,
    CacheRequest,
    ExactOnly,
    Miss,
    Threshold,
    Verified,
    create_cache_fabric,
)
from cache_fabric.errors import ConfigurationError
from cache_fabric.instrumentation.events import LabelEvent, ShadowEvent
from cache_fabric.judged_log import JudgedLog
from cache_fabric.policy.judged import Judged, load_judged
from cache_fabric.policy.proposal import Proposal, encode_proposal
from cache_fabric.tuned import TUNED_FILE, write_proposal
from fabric.conftest import PATIENT

Ask = Callable[..., CacheRequest]
OURS = "When does the shop in Bern open?"
CLOSE = "When does the shop in Bern open"
OTHER = "When does the shop in Bern close?"


def label(**more: Any) -> LabelEvent:
    told = {"policy": "verified", "family": "f", "probability": 0.75, "similarity": 0.5}
    return LabelEvent(**{**told, "right": True, "weight": 0.0, "drifted": False, **more})


def local(folder: Path, **options: Any) -> CacheFabric:
    return create_cache_fabric("local", path=folder, index="memory", config=PATIENT, **options)


def records(file: Path) -> list[Judged]:
    return load_judged(file.read_text().splitlines())


async def missed(fabric: CacheFabric, request: CacheRequest, answer: str) -> float:
    """Look up what is a miss, answer it, and return the similarity of its neighbor."""
    result = await fabric.lookup(request)
    assert isinstance(result, Miss)
    await fabric.store(result.ticket, answer)
    await fabric.flush()
    return result.nearest.similarity if result.nearest else 0.0


async def test_a_label_of_the_policy_is_one_line_that_tune_reads(ask: Ask, tmp_path: Path) -> None:
    async with local(tmp_path, judged_log=True) as fabric:
        await missed(fabric, ask(OURS), "nine")
        similarity = await missed(fabric, ask(OTHER), "ten")
    (record,) = records(tmp_path / "judged.jsonl")
    assert (record.right, record.weight) == (False, 1.0)
    assert record.similarity == pytest.approx(similarity)
    assert record.at > 0


async def test_the_labels_of_the_shadow_are_kept_where_the_policy_learns_nothing(
    ask: Ask, tmp_path: Path
) -> None:
    file = tmp_path / "sub" / "own.jsonl"
    async with local(tmp_path, policy=ExactOnly(), shadow=Verified(), judged_log=file) as fabric:
        await missed(fabric, ask(OURS), "nine")
        await missed(fabric, ask(CLOSE), "nine")
    (record,) = records(file)
    assert (record.right, record.weight) == (True, 1.0)


async def test_a_request_leaves_one_line_though_policy_and_shadow_both_learn(
    ask: Ask, tmp_path: Path
) -> None:
    async with local(tmp_path, shadow=Verified(max_error=0.1), judged_log=True) as fabric:
        await missed(fabric, ask(OURS), "nine")
        await missed(fabric, ask(OTHER), "ten")
    assert len(records(tmp_path / "judged.jsonl")) == 1


async def test_no_word_of_a_prompt_is_in_the_log(ask: Ask, tmp_path: Path) -> None:
    async with local(tmp_path, judged_log=True) as fabric:
        await missed(fabric, ask(OURS), "nine")
        await missed(fabric, ask(OTHER), "ten")
    (line,) = (tmp_path / "judged.jsonl").read_text().splitlines()
    assert set(json.loads(line)) == {"probability", "similarity", "right", "weight", "at"}


async def test_a_full_log_is_put_aside_once(tmp_path: Path) -> None:
    file = tmp_path / "judged.jsonl"
    log = JudgedLog(file, shadow=False, max_bytes=200)
    for weight in range(1, 10):
        log(label(weight=float(weight)))
        await log.flush()
    kept = [record.weight for record in records(tmp_path / "judged.jsonl.1")]
    if file.exists():
        kept += [record.weight for record in records(file)]
    assert kept == [float(weight) for weight in range(10 - len(kept), 10)]
    assert 0 < len(kept) < 9
    assert {path.name for path in tmp_path.iterdir()} <= {"judged.jsonl", "judged.jsonl.1"}


async def test_labels_in_a_burst_are_all_kept(tmp_path: Path) -> None:
    log = JudgedLog(tmp_path / "judged.jsonl", shadow=False)
    for weight in range(1, 101):
        log(label(weight=float(weight)))
    await log.flush()
    assert [r.weight for r in records(tmp_path / "judged.jsonl")] == list(range(1, 101))


async def test_what_is_no_label_leaves_no_line(tmp_path: Path) -> None:
    log = JudgedLog(tmp_path / "judged.jsonl", shadow=True)
    log(label())
    log(ShadowEvent(policy="verified", outcome="hit", lookup_id="1", probability=0.5))
    log(ShadowEvent(policy="threshold", outcome="hit", lookup_id="1", right=True, similarity=0.5))
    await log.flush()
    assert list(tmp_path.iterdir()) == []


async def test_a_log_that_cannot_be_written_is_said_once_and_fails_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = JudgedLog(tmp_path, shadow=False)  # a folder
    for _ in range(2):
        log(label())
        await log.flush()
    assert [record.message.partition(":")[0] for record in caplog.records] == ["judged_log"]


@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("memory", {"judged_log": True}),
        ("memory", {"judged_log": 7}),
        ("memory", {"judged_log": "file", "policy": Threshold(0.9)}),
    ],
)
def test_a_log_that_makes_no_sense_is_refused(backend: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="judged_log: expected"):
        create_cache_fabric(backend, **options)


def proposal(**more: Any) -> Proposal:
    made: dict[str, Any] = {"max_error": 0.02, "policy": "threshold", "threshold": 0.9}
    return Proposal(**{**made, "confidence": 0.9, "records": 1000, **more})


VERIFIED = {"policy": "verified"}
EXACT = {"policy": "exact only", "threshold": None}


@pytest.mark.parametrize(
    ("kept", "policy", "shadow"),
    [
        ({}, Verified(), Threshold(0.9)),
        ({"mode": "live"}, Threshold(0.9), None),
        (VERIFIED, Verified(), Verified(max_error=0.02)),
        ({**VERIFIED, "mode": "live"}, Verified(max_error=0.02), None),
        ({**VERIFIED, "max_error": 0.01}, Verified(), None),
        (EXACT, Verified(), None),
        ({**EXACT, "mode": "live"}, ExactOnly(), None),
    ],
)
def test_a_fabric_takes_up_the_proposal_in_its_folder(
    tmp_path: Path, kept: dict[str, Any], policy: Any, shadow: Any
) -> None:
    write_proposal(tmp_path, proposal(**kept))
    made = local(tmp_path)
    assert (made.policy, made.shadow) == (policy, shadow)


@pytest.mark.parametrize("given", [{"policy": Threshold(0.5)}, {"shadow": Threshold(0.5)}])
def test_what_is_given_outweighs_what_was_tuned(tmp_path: Path, given: dict[str, Any]) -> None:
    write_proposal(tmp_path, proposal(mode="live"))
    made = local(tmp_path, **given)
    assert (made.policy, made.shadow) == (given.get("policy", Verified()), given.get("shadow"))


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"{}",
        encode_proposal(proposal(threshold=7.0)),
    ],
)
def test_a_damaged_proposal_is_named(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / TUNED_FILE).write_bytes(damaged)
    with pytest.raises(ConfigurationError, match=TUNED_FILE):
        local(tmp_path)
