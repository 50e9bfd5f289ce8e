"""The rule of a learning policy: serve what fits the budget, learn from what was refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.embedders.wordllama import WordllamaEmbedder
from cache_fabric.matcher.weights import prior_for
from cache_fabric.policy.base import Asked, Decision, Refuse, Serve
from cache_fabric.policy.budget import Budget
from cache_fabric.policy.family import Family, Judgment, Lesson, answer_digest
from cache_fabric.types import CacheEntry, Candidate

KEPT, PARAPHRASE = "How do I return an item?", "How can I return an item?"
TRAPS = (
    ("How do I return an item?", "How do I not return an item?"),
    ("Can I return 5 items?", "Can I return 6 items?"),
    ("What is the capital of France?", "What is the capital of Spain?"),
)


def family(max_error: float = 0.02, *, reask: float = 0.02, seed: int = 0) -> Family:
    budget = Budget(max_error, min(0.5, 5 * max_error), alpha=0.1)
    return Family(prior_for(WordllamaEmbedder.identity), budget, reask=reask, seed=seed)


def candidate(
    question: str | None = KEPT, similarity: float = 0.96, text: str = "By post."
) -> Candidate:
    entry = CacheEntry(
        id=question or "none",
        exact=question or "none",
        partition="p",
        question=question,
        payload=text,
        model="m",
        created=0.0,
        text=text,
    )
    return Candidate(entry, similarity)


def judged(decision: Decision) -> Judgment:
    assert isinstance(decision.judged, Judgment)
    return decision.judged


def asked_anew(decision: Decision) -> bool:
    return isinstance(decision, Refuse) and "asked anew" in decision.reason


def told(
    state: Family, right: bool, times: int, near: Sequence[Candidate] = (candidate(),)
) -> list[Decision]:
    """Ask for a paraphrase again and again; each refusal is labelled."""
    decisions = []
    for number in range(times):
        decision = state.decide(Asked(PARAPHRASE, f"exact {number}"), near)
        decisions.append(decision)
        if isinstance(decision, Refuse):
            state.learn(judged(decision), [right] * len(near), "answer")
    return decisions


def test_an_evident_paraphrase_is_served_after_a_few_labels() -> None:
    near = candidate()
    decisions = told(family(), right=True, times=20, near=[near])
    served = next(decision for decision in decisions if isinstance(decision, Serve))
    assert served.candidate is near
    assert served.probability is not None
    assert served.probability > 0.9


def test_with_budget_enough_it_is_served_from_the_first_request() -> None:
    assert isinstance(family(0.1).decide(Asked(PARAPHRASE), [candidate()]), Serve)


@pytest.mark.parametrize(("kept", "asked"), TRAPS)
def test_a_trap_is_refused_from_the_first_request(kept: str, asked: str) -> None:
    decision = family().decide(Asked(asked), [candidate(kept, 0.99)])
    assert isinstance(decision, Refuse)
    assert decision.nearest is not None
    assert decision.reason.startswith("guard: ")
    assert not judged(decision).wanted


def test_nothing_is_served_without_a_neighbor() -> None:
    decision = family().decide(Asked(PARAPHRASE), [])
    assert decision == Refuse("no neighbor", judged=decision.judged)
    assert family().learn(judged(decision), [], "answer") is None


def test_no_budget_serves_what_the_guard_contradicts() -> None:
    decisions = told(family(0.49), True, 50, [candidate("How can I not return an item?", 0.99)])
    assert not any(isinstance(decision, Serve) for decision in decisions)
    assert not any(judged(decision).wanted for decision in decisions)
    assert judged(decisions[-1]).risk < 0.1  # the labels alone would have it served


def test_another_neighbor_is_served_past_one_that_the_guard_contradicts() -> None:
    near = [candidate("How can I not return an item?", 0.99, text="Keep it."), candidate()]
    found = judged(family().decide(Asked(PARAPHRASE), near)).reading
    assert found is not None
    assert found.candidates[found.best].entry.question == KEPT


def test_a_neighbor_without_a_question_is_none() -> None:
    decision = family().decide(Asked(PARAPHRASE), [candidate(None, 1.0)])
    assert isinstance(decision, Refuse)
    assert decision.reason == "no neighbor"


@given(st.permutations([0.96, 0.8, 0.6, 0.3]))
def test_the_order_of_the_candidates_does_not_count(similarities: list[float]) -> None:
    texts = {0.96: KEPT, 0.8: "Where is my order?", 0.6: "When do you open?", 0.3: "Hello"}
    near = [candidate(texts[s], s, text=texts[s]) for s in similarities]
    found = judged(family(0.4).decide(Asked(PARAPHRASE), near)).reading
    assert found is not None
    assert [one.similarity for one in found.candidates] == [0.96, 0.8, 0.6, 0.3]
    assert found.candidates[found.best].entry.question == KEPT


def test_a_reason_holds_no_word_of_a_prompt() -> None:
    for near in (KEPT, "Do gorillas return?"):
        reason = family().decide(Asked(PARAPHRASE), [candidate(near)]).reason
        assert not any(word in reason for word in ("return", "item", "gorillas"))


def test_every_request_counts_once_also_one_that_is_judged_again() -> None:
    state = family()
    state.decide(Asked(PARAPHRASE), [candidate()])
    state.decide(Asked(PARAPHRASE, again=True), [candidate()])
    state.count()
    assert state.budget.requests == 2


def test_the_risk_of_what_is_served_is_spent_and_of_what_is_refused_is_not() -> None:
    state = family(0.1)
    served = state.decide(Asked(PARAPHRASE), [candidate()])
    assert state.budget.spent == pytest.approx(judged(served).risk)
    state.decide(Asked(TRAPS[1][1]), [candidate(TRAPS[1][0], 0.99)])
    assert state.budget.spent == pytest.approx(judged(served).risk)


def test_when_the_budget_is_used_up_even_an_evident_paraphrase_is_refused() -> None:
    state = family(0.1)
    state.budget.spend(state.budget.allowed + 1.0)
    decision = state.decide(Asked(PARAPHRASE), [candidate()])
    assert isinstance(decision, Refuse)
    assert decision.reason.endswith("the error budget is used up")
    assert judged(decision).chance == 0


def test_the_share_that_is_asked_anew_is_the_one_that_was_given() -> None:
    decisions = told(family(0.4, reask=0.1), right=True, times=2_000)
    hits = [d for d in decisions if isinstance(d, Serve) or asked_anew(d)]
    assert len(hits) > 1_900
    assert sum(map(asked_anew, hits)) / len(hits) == pytest.approx(0.1, abs=0.02)


def test_without_reask_no_hit_is_asked_anew_at_first() -> None:
    decisions = told(family(0.4, reask=0.0), right=True, times=500)
    assert not any(map(asked_anew, decisions))


def test_a_repeat_of_a_served_question_is_asked_anew_more_often() -> None:
    state = family(0.1)
    state.budget.requests = 1_000
    first, again = (state.decide(Asked(PARAPHRASE, "same"), [candidate()]) for _ in range(2))
    other = state.decide(Asked(PARAPHRASE, "other"), [candidate()])
    assert judged(first).chance == 0.02
    assert judged(again).chance > judged(first).chance
    assert judged(other).chance == 0.02


def test_few_repeats_are_spent_on_being_asked_anew() -> None:
    state = family(0.4, reask=0.5)
    for number in range(400):
        decision = state.decide(Asked(PARAPHRASE, f"exact {number % 20}"), [candidate()])
        if isinstance(decision, Refuse):
            state.learn(judged(decision), [True], "answer")
    assert state._reasked_repeats <= 0.005 * 400 + 1


def test_wrong_labels_teach_it_to_refuse() -> None:
    state = family(0.1, reask=0.5)
    decisions = told(state, right=False, times=60)
    assert isinstance(decisions[0], Serve) or asked_anew(decisions[0])
    assert all(isinstance(decision, Refuse) for decision in decisions[30:])
    assert (decisions[-1].probability or 0) < 0.3


def test_right_labels_teach_it_to_serve_what_it_refused() -> None:
    near = candidate("Ways to send an order back", 0.6)
    first = family().decide(Asked(PARAPHRASE), [near])
    assert isinstance(first, Refuse)
    decisions = told(family(0.1), right=True, times=60, near=[near])
    assert any(isinstance(decision, Serve) for decision in decisions)
    assert (decisions[-1].probability or 0) > 0.9 > (first.probability or 0)


def test_a_lesson_says_what_the_label_of_the_best_candidate_was() -> None:
    state = family()
    decision = state.decide(Asked(TRAPS[1][1]), [candidate(TRAPS[1][0], 0.99)])
    lesson = state.learn(judged(decision), [False], "answer")
    assert lesson == Lesson(decision.probability or 0, 0.99, False, 0.0, False)


def test_the_lesson_of_a_sampled_hit_stands_for_those_that_were_not_asked_anew() -> None:
    state = family(0.4, reask=0.25)
    sampled = next(d for d in told(state, right=True, times=50) if asked_anew(d))
    lesson = state.learn(judged(sampled), [True], "answer")
    assert lesson is not None
    assert lesson.weight == 4.0


def after_a_wrong_hit(stake: float, chance: float = 0.5) -> tuple[Lesson, float]:
    """What a wrong sampled hit teaches, and how probable the next one is called."""
    state = family(0.4, reask=0.5)
    sampled = next(d for d in told(state, right=True, times=50) if asked_anew(d))
    state.audit.stake = stake
    lesson = state.learn(dataclasses.replace(judged(sampled), chance=chance), [False], "other")
    assert lesson is not None
    return lesson, state.decide(Asked(PARAPHRASE, "next"), [candidate()]).probability or 0


def test_at_drift_the_lesson_says_so_and_the_policy_expects_less() -> None:
    calm, expected = after_a_wrong_hit(stake=1.0)
    drift, doubted = after_a_wrong_hit(stake=19.0)
    assert (calm.drifted, drift.drifted) == (False, True)
    assert doubted < expected - 0.05


def test_a_rarely_sampled_hit_teaches_more_up_to_a_bound() -> None:
    often, rare, rarest = (after_a_wrong_hit(1.0, chance)[1] for chance in (1.0, 0.1, 0.001))
    assert rarest == rare < often


def test_no_label_is_no_lesson() -> None:
    state = family()
    decision = state.decide(Asked(TRAPS[1][1]), [candidate(TRAPS[1][0], 0.99)])
    before = state.matcher.model.weights.copy()
    assert state.learn(judged(decision), [None], "answer") is None
    assert (state.matcher.model.weights == before).all()


def test_it_decides_the_same_for_the_same_seed() -> None:
    def kinds(seed: int) -> list[bool]:
        return [asked_anew(d) for d in told(family(0.4, reask=0.3, seed=seed), True, 100)]

    assert kinds(7) == kinds(7) != kinds(8)


def test_equal_answers_of_a_partition_share_a_digest() -> None:
    one, two, other = (
        candidate(t, text=x).entry for t, x in (("a", "Yes"), ("b", " yes "), ("a", "No"))
    )
    assert answer_digest(one) == answer_digest(two) != answer_digest(other)


def test_answers_without_text_are_each_their_own() -> None:
    one, two = (candidate(question, text="").entry for question in ("a", "b"))
    assert answer_digest(one) != answer_digest(two)
