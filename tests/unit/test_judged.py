"""Judged decisions: kept and read again, calibrated, and turned into a proposal."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.errors import ConfigurationError, ValidationError
from cache_fabric.policy.intervals import upper_share
from cache_fabric.policy.judged import Judged, dump_judged, load_judged
from cache_fabric.policy.proposal import (
    Proposal,
    decode_proposal,
    encode_proposal,
    propose,
)
from cache_fabric.policy.reliability import calibration_error, hits_against_errors, reliability
from cache_fabric.tuned import read_proposal, write_proposal


def judged(similarity: float, right: bool, weight: float = 1.0) -> Judged:
    told = min(1.0, max(0.0, similarity))
    return Judged(probability=told, similarity=similarity, right=right, weight=weight)


RECORDS = st.lists(
    st.builds(
        Judged,
        probability=st.floats(0, 1),
        similarity=st.floats(-1, 1),
        right=st.booleans(),
        weight=st.floats(0.01, 100),
        at=st.floats(0, 1e10),
    ),
    max_size=50,
)


@given(RECORDS)
def test_records_survive_their_file(records: list[Judged]) -> None:
    assert load_judged(dump_judged(records)) == records


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not a judged decision"),
        ('{"probability": 0.5, "similarity": 0.5}', "missing required field `right`"),
        ('{"probability": 1.5, "similarity": 0.5, "right": true}', "from 0 to 1"),
        ('{"probability": 0.5, "similarity": 7, "right": true}', "from -1 to 1"),
        ('{"probability": 0.5, "similarity": 0, "right": true, "weight": 0}', "above 0"),
        ('{"probability": 0.5, "similarity": 0, "right": 2}', "Expected `bool`"),
    ],
)
def test_a_line_that_is_no_record_is_named(line: str, message: str) -> None:
    good = next(dump_judged([judged(0.5, True)]))
    with pytest.raises(ValidationError, match="line 2") as error:
        load_judged([good, line])
    assert message in str(error.value)


def test_the_upper_share_of_nothing_seen_has_a_closed_form() -> None:
    for total in (1, 30, 4000):
        assert upper_share(0, total, 0.9) == pytest.approx(1 - 0.1 ** (1 / total), rel=1e-6)


def test_the_upper_share_is_clopper_and_pearsons() -> None:
    assert upper_share(1, 10, 0.95) == pytest.approx(0.39416, abs=1e-5)  # from their tables
    assert upper_share(10, 10, 0.95) == 1.0
    assert upper_share(0, 0, 0.95) == 1.0


@given(st.integers(1, 300), st.data(), st.floats(0.5, 0.999))
def test_at_the_upper_share_so_few_are_just_as_rare_as_stated(
    total: int, data: st.DataObject, confidence: float
) -> None:
    count = data.draw(st.integers(0, total - 1))
    share = upper_share(count, total, confidence)
    tail = sum(
        math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(count + 1)
    )
    assert tail == pytest.approx(1 - confidence, rel=1e-4)


def test_reliability_weighs_and_leaves_empty_steps_out() -> None:
    records = [judged(0.92, True, 3.0), judged(0.96, False, 1.0), judged(0.15, False)]
    low, high = reliability(records)
    assert (low.low, low.right, low.weight) == (0.1, 0.0, 1.0)
    assert high.predicted == pytest.approx(0.93)
    assert high.right == 0.75
    assert calibration_error([low, high]) == pytest.approx((0.15 + 4 * 0.18) / 5)
    assert calibration_error([]) is None


def test_a_probability_of_one_is_in_the_last_step() -> None:
    (only,) = reliability([judged(1.0, True)])
    assert only.high == 1.0


def test_hits_and_errors_are_shares_of_all_requests() -> None:
    records = [judged(0.9, True), judged(0.8, False), judged(0.3, True)]
    at = {p.threshold: p for p in hits_against_errors(records, "similarity", requests=10)}
    assert (at[0.9].hits, at[0.9].errors, at[0.9].wrong_share) == (0.1, 0.0, 0.0)
    assert (at[0.8].hits, at[0.8].errors, at[0.8].wrong_share) == (0.2, 0.1, 0.5)
    assert at[0.95].wrong_share is None
    assert at[0.8].errors_upper == pytest.approx(upper_share(1, 10, 0.9))


@given(RECORDS)
def test_a_looser_threshold_never_serves_less(records: list[Judged]) -> None:
    points = hits_against_errors(records, "probability")
    assert all(a.hits <= b.hits and a.errors <= b.errors for a, b in itertools.pairwise(points))
    assert all(p.errors <= p.errors_upper + 1e-12 or p.errors > 1 - 1e-9 for p in points)


def test_a_heavy_record_counts_as_one_observation() -> None:
    light = [judged(0.9, True) for _ in range(100)]
    heavy = [judged(0.9, True, 10.0) for _ in range(10)]
    bounds = [hits_against_errors(r, "similarity")[-1].errors_upper for r in (light, heavy)]
    assert bounds[0] < bounds[1] == pytest.approx(upper_share(0, 10, 0.9))


def test_the_proposal_is_the_last_threshold_within_the_budget() -> None:
    records = [judged(0.95, True)] * 500 + [judged(0.85, True)] * 495 + [judged(0.85, False)] * 5
    records += [judged(0.7, False)] * 200
    found = propose(records, 0.02, scores=("similarity",))
    assert (found.policy, found.threshold) == ("threshold", 0.85)
    assert found.errors == pytest.approx(5 / 1200)
    assert found.errors_upper is not None
    assert found.errors < found.errors_upper <= 0.02
    assert found.mode == "shadow"


def test_the_sequence_ends_at_the_first_threshold_over_the_budget() -> None:
    # Later right answers dilute nothing: the share is of all requests, and 30 stay wrong.
    records = [judged(0.95, False)] * 30 + [judged(0.6, True)] * 970
    assert propose(records, 0.02).policy == "exact only"


def test_the_better_score_is_proposed() -> None:
    telling = [Judged(probability=0.99, similarity=0.5, right=True) for _ in range(900)]
    telling += [Judged(probability=0.01, similarity=0.9, right=False) for _ in range(100)]
    found = propose(telling, 0.01)
    assert (found.policy, found.hits) == ("verified", 0.9)


def test_too_little_evidence_proposes_exact_hits_only() -> None:
    found = propose([judged(0.99, True)] * 100, 0.01)
    assert (found.policy, found.threshold, found.hits) == ("exact only", None, 0.0)


def test_a_proposal_survives_its_file(tmp_path: Path) -> None:
    proposal = propose([judged(0.99, True)] * 1000, 0.01)
    assert proposal.threshold is not None
    file = write_proposal(tmp_path / "fabric", proposal)
    assert file.name == "tuned.json"
    assert read_proposal(file) == read_proposal(file.parent) == proposal
    assert [path.name for path in file.parent.iterdir()] == ["tuned.json"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xfe", "not a proposal"),
        (b"{}", "missing required field"),
        (b'{"max_error": 0.7, "policy": "exact only", "confidence": 0.9, "records": 1}', "below"),
        (b'{"max_error": 0.1, "policy": "threshold", "confidence": 0.9, "records": 1}', "expected"),
        (b'{"max_error": 0.1, "policy": "magic", "confidence": 0.9, "records": 1}', "magic"),
    ],
)
def test_a_damaged_settings_file_is_refused(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "tuned.json").write_bytes(data)
    with pytest.raises(ConfigurationError, match=r"tuned\.json") as error:
        read_proposal(tmp_path)
    assert message in str(error.value)


def test_a_settings_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"tuned\.json: cannot be read"):
        read_proposal(tmp_path)


def test_encoding_is_readable_and_complete() -> None:
    proposal = Proposal(max_error=0.01, policy="exact only", confidence=0.9, records=3)
    text = encode_proposal(proposal)
    assert text.endswith(b"}\n")
    assert decode_proposal(text, "here") == proposal
