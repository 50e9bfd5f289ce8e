"""The figures that the guard gives a matcher."""

from __future__ import annotations

import pytest

from cache_fabric.guard import Evidence, Kind, compare
from cache_fabric.guard.related import related


def test_the_same_text_is_full_evidence_for_the_pair() -> None:
    assert compare("a goat", "a goat").evidence == Evidence()
    assert compare("the goat", "a goat!").evidence == Evidence()


def test_nothing_shared_is_shown_as_such() -> None:
    evidence = compare("green goats", "old radios").evidence
    assert (evidence.shared, evidence.covered) == (0.0, 0.0)


def test_shares_are_of_the_side_with_fewer_and_with_more_words() -> None:
    evidence = compare("goat milk", "is goat milk sold near ponds").evidence
    assert (evidence.shared, evidence.covered) == (1.0, 0.4)


def test_a_substituted_slot_is_named_question_first() -> None:
    verdict = compare("How do I roast a swede in a pan?", "How do I roast a turnip in a pan?")
    assert verdict.substituted == (("swede", "turnip"),)
    evidence = verdict.evidence
    assert (evidence.substituted, evidence.unrelated, evidence.nouns) == (1, 1, 1)


def test_a_slot_with_a_synonym_is_substituted_but_related() -> None:
    evidence = compare("Where is the film shown?", "Where is the movies list shown?").evidence
    assert evidence.unrelated == 0
    evidence = compare("the cost of a swim", "the price of a swim").evidence
    assert (evidence.substituted, evidence.unrelated) == (1, 0)


def test_slots_of_an_otherwise_different_text_are_not_named() -> None:
    assert compare("red goats eat grass", "blue radios play grass music").substituted == ()


@pytest.mark.parametrize(
    ("question", "candidate", "field", "value"),
    [
        ("boil an egg", "boil an egg with salt", "inserted", 1),
        ("visit Rome", "visit the town", "names", 1),
        ("a room for 3", "a room", "numbers", 1),
        ("never say so", "say so", "negations", 1),
        ("swim for adults", "swim", "one_sided", 1),
        ("when do goats sleep", "where do goats sleep", "question_types", 1),
        ("goats radios", "radios goats", "ordered", 0.5),
    ],
)
def test_each_figure_counts_what_it_says(
    question: str, candidate: str, field: str, value: float
) -> None:
    assert getattr(compare(question, candidate).evidence, field) == value
    assert getattr(compare(candidate, question).evidence, field) == value


def test_texts_too_long_to_compare_share_nothing_known() -> None:
    verdict = compare("goat " * 2_000, "goat")
    assert verdict.evidence.shared == 0.0
    assert [objection.kind for objection in verdict.objections] == [Kind.LENGTH]
    assert not verdict.contradicts


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("quote", "quotation"),
        ("cost", "prices"),
        ("limits", "limitation"),
        ("kids", "children"),
        ("emergency", "emergancy"),
        ("mondays", "mondys"),
        ("thing", "spoon"),
        ("indian", "india"),
    ],
)
def test_words_of_one_family_or_meaning_are_related(left: str, right: str) -> None:
    assert related(left, right)
    assert related(right, left)


@pytest.mark.parametrize(
    ("left", "right"),
    [("swede", "turnip"), ("nitrate", "nitrite"), ("5", "6"), ("carrot", "parrot")],
)
def test_words_that_only_look_or_rank_alike_are_not(left: str, right: str) -> None:
    assert not related(left, right)
    assert not related(right, left)
