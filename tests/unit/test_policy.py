from __future__ import annotations

import math
from typing import Any

import pytest

from cache_fabric.errors import ConfigurationError
from cache_fabric.policy import ExactOnly, Policy, Refuse, Serve, Threshold, Verified
from cache_fabric.policy.base import Asked
from cache_fabric.types import CacheEntry, Candidate

QUESTION = "How do I reset my password?"
ASKED = Asked(QUESTION)
SAME = "how can i reset my password"
OTHER = "How do I change my password?"


def candidate(question: str | None, similarity: float) -> Candidate:
    entry = CacheEntry(
        id=f"{question} {similarity}",
        exact="",
        partition="",
        question=question,
        payload=None,
        model="m",
        created=0.0,
    )
    return Candidate(entry, similarity)


@pytest.mark.parametrize("policy", [ExactOnly(), Threshold(), Threshold(0.5), Verified()])
def test_every_policy_keeps_the_protocol(policy: object) -> None:
    assert isinstance(policy, Policy)
    assert policy.name
    state = policy.new_state("an embedder")
    assert isinstance(policy.decide(ASKED, [], state), Refuse)


def test_exact_only_wants_no_neighbors_and_serves_none() -> None:
    policy = ExactOnly()
    assert not policy.semantic
    assert policy.decide(ASKED, [candidate(QUESTION, 1.0)]) == Refuse("exact repeats only")


def test_threshold_wants_neighbors_from_its_similarity_up() -> None:
    assert Threshold(0.9).semantic
    assert Threshold(0.9).floor == 0.9


def test_threshold_serves_what_is_near_and_passes_the_guard() -> None:
    near = candidate(SAME, 0.9471)
    decision = Threshold(0.9).decide(ASKED, [near])
    assert decision == Serve(near, "similarity 0.947 ≥ 0.90, guard passed")


def test_threshold_serves_at_its_very_similarity() -> None:
    assert isinstance(Threshold(0.9).decide(ASKED, [candidate(SAME, 0.9)]), Serve)


@pytest.mark.parametrize("similarity", [0.8999, -1.0, math.nan])
def test_nothing_below_the_threshold_is_served_even_the_same_text(similarity: float) -> None:
    near = candidate(QUESTION, similarity)
    decision = Threshold(0.9).decide(ASKED, [near])
    assert decision == Refuse(f"nearest similarity {similarity:.3f} < 0.90", near)


def test_a_candidate_that_the_guard_refuses_is_passed_over() -> None:
    further = candidate(SAME, 0.91)
    decision = Threshold(0.9).decide(ASKED, [candidate(OTHER, 0.99), further])
    assert isinstance(decision, Serve)
    assert decision.candidate is further


def test_the_nearest_of_several_right_candidates_is_served() -> None:
    nearest = candidate(SAME, 0.99)
    decision = Threshold(0.9).decide(ASKED, [candidate(QUESTION, 0.95), nearest])
    assert isinstance(decision, Serve)
    assert decision.candidate is nearest


def test_a_refusal_names_the_nearest_and_its_reason_without_words_of_a_prompt() -> None:
    nearest = candidate("How do I not reset my passport?", 0.97)
    decision = Threshold(0.9).decide(ASKED, [candidate(OTHER, 0.95), nearest])
    assert decision == Refuse(
        "guard: negation differs, words differ, another thing in the same place", nearest
    )


def test_without_candidates_there_is_no_nearest() -> None:
    assert Threshold().decide(ASKED, []) == Refuse("no neighbor")


def test_an_entry_without_a_question_is_never_served_by_meaning() -> None:
    blank = candidate(None, 1.0)
    assert Threshold().decide(ASKED, [blank]) == Refuse("neighbor without a question", blank)


@pytest.mark.parametrize("similarity", [0.000001, 0.8, 1, 1.0])
def test_similarities_above_0_up_to_1_are_accepted(similarity: float) -> None:
    assert Threshold(similarity).similarity == similarity


@pytest.mark.parametrize("similarity", [0, -0.1, 1.01, math.nan, math.inf, True, "0.9", None])
def test_another_similarity_is_a_configuration_error_that_names_it(similarity: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^similarity: .* got "):
        Threshold(similarity)
