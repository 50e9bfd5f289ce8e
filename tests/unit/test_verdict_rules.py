"""The standing of an answer follows from the votes and acts on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.annotator_account import Account
from cache_fabric.verdict_rules import Case, Cast, Negative


def vote(by: str = "ann", verdict: Any = "bad", **fields: Any) -> Cast:
    known: dict[str, Any] = {
        "feedback_id": f"run/quality/{by}",
        "execution_id": "run",
        "verdict": verdict,
        "annotator": by,
        "kind": "HUMAN",
        "trusted": True,
        "at": 1.0,
    }
    return Cast(**{**known, **fields})


def standing(*votes: Cast, agreements: int = 2) -> str:
    case = Case(id="e.1")
    for one in votes:
        case = case.cast(one)
    return case.standing(agreements)


def test_one_trusted_bad_vote_is_enough() -> None:
    assert standing(vote()) == "quarantined"
    assert standing(vote(verdict="good")) == "active"


def test_votes_that_are_not_trusted_or_held_need_others() -> None:
    one, other = vote("ann", trusted=False), vote("bob", trusted=False)
    assert standing(one) == "active"
    assert standing(one, replace(one, feedback_id="another run")) == "active"
    assert standing(one, other) == "quarantined"
    assert standing(vote("ann", held=True)) == "active"
    assert standing(vote("ann", held=True), other) == "quarantined"
    assert standing(one, other, agreements=3) == "active"


def test_nobody_named_is_one_annotator() -> None:
    anonymous = [vote("", trusted=False, feedback_id=str(n)) for n in range(9)]
    assert standing(*anonymous) == "active"


def test_praise_by_others_does_not_lift_a_quarantine() -> None:
    praise = [vote(f"fan {n}", "good") for n in range(9)]
    assert standing(vote(), *praise) == "quarantined"


def test_a_vote_that_is_replaced_or_taken_back_counts_no_more() -> None:
    case = Case(id="e.1").cast(vote())
    assert case.cast(vote(verdict="good")).standing(2) == "active"
    assert case.without(vote().feedback_id).standing(2) == "active"


def test_an_operator_outweighs_the_votes_before_and_not_those_after() -> None:
    case = Case(id="e.1").cast(vote()).ordered("restore")
    assert case.standing(2) == "active"
    assert case.cast(vote()).standing(2) == "active"  # repeated, so as old as it was
    assert case.cast(vote("bob")).standing(2) == "quarantined"
    assert case.cast(vote(verdict="good")).cast(vote()).standing(2) == "quarantined"


def test_what_is_retired_stays_so_until_it_is_restored() -> None:
    retired = Case(id="e.1").ordered("retire")
    assert retired.cast(vote(verdict="good")).standing(2) == "quarantined"
    assert retired.ordered("restore").standing(2) == "active"


def test_a_pin_stands_until_somebody_finds_it_bad() -> None:
    pinned = Case(id="e.1").cast(vote()).ordered("pin")
    assert pinned.standing(2) == "pinned"
    assert pinned.cast(vote("bob")).standing(2) == "quarantined"


def test_the_savings_of_each_hit_are_taken_back_while_it_is_quarantined() -> None:
    case = Case(id="e.1").cast(vote(trusted=False, hit=True))
    assert not case.reversed(2)
    both = case.cast(vote("bob", trusted=False, execution_id="other", hit=True))
    assert both.reversed(2).keys() == {"run", "other"}
    assert not both.ordered("restore").reversed(2)
    assert not Case(id="e.1").cast(vote(hit=False)).reversed(2)


def test_a_correction_is_served_when_trusted_or_when_several_say_the_same() -> None:
    def corrects(by: str, pin: str, **fields: Any) -> Cast:
        return vote(by, correction=pin, pin=pin, **fields)

    assert Case(id="e.1").cast(corrects("ann", "p")).pins(2).keys() == {"p"}
    doubted = Case(id="e.1").cast(corrects("ann", "p", trusted=False))
    assert not doubted.pins(2)
    assert not doubted.cast(corrects("bob", "q", trusted=False)).pins(2)
    assert doubted.cast(corrects("bob", "p", trusted=False)).pins(2).keys() == {"p"}


def test_a_repeated_vote_keeps_what_it_had_and_changes_nothing() -> None:
    case = Case(id="e.1").cast(vote(negative=Negative(asked="q", vector=b"v"), pin="p"))
    assert case.cast(vote(at=99.0)) == case


def test_the_votes_on_one_answer_are_bounded_and_the_loudest_makes_room() -> None:
    case = Case(id="e.1").cast(vote("bob"))
    for number in range(1_000):
        case = case.cast(vote("ann", feedback_id=str(number), trusted=False))
    assert len(case.votes) <= 256
    assert case.vote(vote("bob").feedback_id) is not None


def test_a_crowd_of_strangers_does_not_push_out_what_quarantines() -> None:
    trusted = Case(id="e.1").cast(vote("bob"))
    agreed = Case(id="e.1").cast(vote("ann", trusted=False)).cast(vote("eve", trusted=False))
    for number in range(1_000):
        praise = vote(f"fan {number}", "good", trusted=False)
        trusted, agreed = trusted.cast(praise), agreed.cast(praise)
        trusted = trusted.cast(vote(f"foe {number}", trusted=False))
    assert trusted.vote(vote("bob").feedback_id) is not None
    assert agreed.standing(2) == "quarantined"
    assert max(len(trusted.votes), len(agreed.votes)) <= 256


def test_an_account_forgets_after_an_hour() -> None:
    account = Account().charged(0.0, "a").charged(1_800.0, "b")
    assert [mark for _, mark in account.since(3_599.0).acts] == ["a", "b"]
    assert [mark for _, mark in account.since(3_601.0).acts] == ["b"]


def test_what_is_erased_goes_on_counting_without_a_word() -> None:
    theirs = vote("ann", why="my secret", user="u", correction="secret", pin="p")
    case = Case(id="e.1").cast(theirs).cast(vote("bob", why="seen", user="w"))
    left = case.nameless(lambda _, user: user == "u", lambda name: f"#{len(name)}")
    assert left.standing(2) == "quarantined"
    assert "secret" not in repr(left)
    assert "'ann'" not in repr(left)
    assert "seen" in repr(left)


votes = st.builds(
    lambda by, verdict, trusted, held: vote(by, verdict, trusted=trusted, held=held),
    st.sampled_from("abcd"),
    st.sampled_from(["good", "bad"]),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(votes, max_size=8, unique_by=lambda one: one.feedback_id), st.randoms())
def test_the_order_of_different_votes_does_not_matter(cast: list[Cast], order: Any) -> None:
    shuffled = list(cast)
    order.shuffle(shuffled)
    assert standing(*cast) == standing(*shuffled)


@given(st.lists(votes, max_size=12))
def test_nobody_alone_quarantines_without_trust(cast: list[Cast]) -> None:
    doubted = [replace(one, trusted=False) for one in cast if one.annotator == "a"]
    assert standing(*doubted) == "active"


@pytest.mark.parametrize("order", ["restore", "pin"])
def test_history_is_bounded(order: Any) -> None:
    from cache_fabric.verdict_rules import Happening

    case = Case(id="e.1").ordered(order).told(*(Happening(at=n, what="x") for n in range(999)))
    assert len(case.history) == 128
