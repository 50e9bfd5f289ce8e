from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cache_fabric.guard import Kind, compare
from cache_fabric.guard.marks import DEGREES, EXCLUSIVE, ExclusiveClass
from cache_fabric.guard.reading import read
from cache_fabric.guard.spelling import same_word

TEXTS = st.text(max_size=200)
VOCABULARY = """
    how do i not turn on off the a from to by between and lights lamp paris rome monday two 5
    show me what was will best way of states united your my all 10% $7 don't
"""
SENTENCES = st.lists(st.sampled_from(VOCABULARY.split()), max_size=12).map(" ".join)


@given(TEXTS)
@example("\ud800")
@example("İ'S n't \u2019 '")
@example("1,2.3:4/5th$ 0.0.0 ²")
def test_any_text_is_the_same_as_itself(text: str) -> None:
    assert compare(text, text).allowed
    assert not compare(text, text).contradicts
    assert compare(f" {text} ", f"{text}\n").allowed


@given(TEXTS, TEXTS)
def test_a_verdict_has_reasons_exactly_when_it_refuses(left: str, right: str) -> None:
    verdict = compare(left, right)
    assert verdict.allowed == (not verdict.reasons)
    assert all(reason and len(reason) < 250 for reason in verdict.reasons)


@given(SENTENCES, SENTENCES)
@settings(max_examples=500)
def test_the_two_texts_may_change_places(left: str, right: str) -> None:
    assert compare(left, right).allowed == compare(right, left).allowed


@given(SENTENCES, SENTENCES)
@settings(max_examples=500)
def test_a_verdict_is_its_own_mirror_image(left: str, right: str) -> None:
    there, back = compare(left, right), compare(right, left)
    kinds = [(objection.kind, objection.contradicts) for objection in there.objections]
    assert kinds == [(objection.kind, objection.contradicts) for objection in back.objections]
    assert there.substituted == tuple((theirs, ours) for ours, theirs in back.substituted)
    assert there.evidence == back.evidence


@given(SENTENCES, SENTENCES)
@settings(max_examples=500)
def test_what_contradicts_is_not_allowed_and_shares_are_shares(left: str, right: str) -> None:
    verdict = compare(left, right)
    assert not (verdict.contradicts and verdict.allowed)
    evidence = verdict.evidence
    assert 0 <= evidence.covered <= evidence.shared <= 1
    assert 0 <= evidence.ordered <= 1
    assert min(evidence) >= 0


@given(SENTENCES)
def test_one_more_negation_is_never_allowed(sentence: str) -> None:
    assert not compare(sentence, f"{sentence} never").allowed


@given(SENTENCES, st.integers(min_value=0), st.integers(min_value=0))
def test_another_number_is_never_allowed(sentence: str, one: int, other: int) -> None:
    same = compare(f"{sentence} for {one} nights", f"{sentence} for {other} nights")
    assert same.allowed == (one == other)


NOUNS = st.sampled_from(["goat", "radio", "turnip", "pond", "ladder", "violin"])
CLAUSES = st.sampled_from(
    ["what does a {} need", "can i rent the {} for my aunt", "is the {} green"]
)


@given(CLAUSES, NOUNS, st.sampled_from(["never {}", "without a {}", "non-{}"]))
def test_a_negated_word_contradicts_the_same_without_negation(
    clause: str, noun: str, negation: str
) -> None:
    plain, negated = clause.format(noun), clause.format(negation.format(noun))
    assert Kind.NEGATION in contradicting(plain, negated)
    assert Kind.NEGATION in contradicting(negated, plain)


UNITS = st.sampled_from(["", " nights", " kg", " euros", "%", " people"])


@given(CLAUSES, NOUNS, UNITS, st.integers(1, 10**6), st.integers(1, 10**6))
def test_another_number_contradicts(
    clause: str, noun: str, unit: str, one: int, other: int
) -> None:
    ours, theirs = (f"{clause.format(noun)} for {number}{unit}" for number in (one, other))
    near = abs(one - other) <= 0.02 * max(one, other)
    if one == other:
        assert compare(ours, theirs).allowed
    elif not near:
        assert Kind.NUMBER in contradicting(ours, theirs)


@given(CLAUSES, NOUNS, NOUNS)
def test_another_thing_in_the_same_place_is_named(clause: str, one: str, other: str) -> None:
    verdict = compare(clause.format(one), clause.format(other))
    assert verdict.substituted == (() if one == other else ((one, other),))


def test_what_can_be_turned_has_two_poles() -> None:
    for known in EXCLUSIVE:
        assert len(known.poles) == 2 or (known.kind is not Kind.ANTONYM and not known.complementary)


# "More" and "less" depend on what they are said of; see the example tests.
CLASSES_ALONE = [known for number, known in enumerate(EXCLUSIVE) if number not in DEGREES]


@pytest.mark.parametrize("known", CLASSES_ALONE, ids=lambda known: known.poles[0])
def test_words_of_two_poles_of_a_class_contradict(known: ExclusiveClass) -> None:
    for one, other in pairwise(known.poles):
        assert known.kind in contradicting(f"quilt or {one}", f"lantern and {other}")


SIGNS = st.sampled_from([*"中한กअעجЖΩ²\u202e\ufeff\ud800", "👍🏽", "👩\u200d👩\u200d👧"])


@given(TEXTS, SIGNS)
def test_no_script_or_sign_raises(text: str, sign: str) -> None:
    for other in (sign, text + sign, sign * 40, f"{sign} {text} {sign}"):
        verdict = compare(text, other)
        assert verdict.contradicts == compare(other, text).contradicts


def contradicting(left: str, right: str) -> set[Kind]:
    return {
        objection.kind for objection in compare(left, right).objections if objection.contradicts
    }


@given(SENTENCES, st.characters(categories=["So", "Sm", "Lo", "Lu", "Nd"]))
def test_a_sign_of_any_script_counts_as_content(sentence: str, sign: str) -> None:
    assert not compare(sentence, f"{sentence} ☃{sign}").allowed


LETTERS = st.text(alphabet="abdegiosuyz", min_size=1, max_size=9)


@given(LETTERS, LETTERS, LETTERS)
@settings(max_examples=500)
def test_two_words_are_one_word_either_way(stem: str, ours: str, theirs: str) -> None:
    left, right = stem + ours, stem + theirs
    assert same_word(left, right) == same_word(right, left)


HOSTILE = [
    *("a ", "a", "1,", "1.", "1/", "9", "one ", "hundred ", "two million million ", "-1", "$ "),
    *('"', '"a', "a'", "'", ".", "+", "c+", "_", " ", "\u0301", "e\u0301", "\u200d", "\ud800"),
    *("and x ", "not ", "from ", "between a and ", "united states ", "best way to ", "all "),
    *('"\'"', "“„", "`a` ", "👩‍👩‍👧", "👍🏽", "in json ", "unun", "non-", "less happy ", "x 2 kg "),
    *("from a to b ", "Ann ", "why is ", "no no ", "stop "),
    *("中", "कि", "İ", "👍", "am i ", "this week ", "n't "),
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_text_that_repeats_itself_is_compared_like_any_other(unit: str) -> None:
    text = unit * (8_000 // len(unit))
    assert compare(text, f"{text}\n").allowed
    assert not compare(text, f"{text} flour").allowed


@pytest.mark.parametrize("shape", ["Xa{}", "un{}", "not x{}", "{} kg", "from a{} to b{}", "“a{}”"])
def test_texts_of_many_different_words_are_compared_like_any_other(shape: str) -> None:
    ours, theirs = (
        " ".join(shape.replace("{}", str(number)) for number in range(start, start + 400))
        for start in (1_000, 5_000)
    )
    assert not compare(ours, theirs).allowed


@pytest.mark.parametrize("unit", ["a'", '"a', "1,", "\u0301", "two million million "])
def test_a_text_of_256_kib_is_read_to_its_end(unit: str) -> None:
    text = unit * (256 * 1024 // len(unit))
    assert read(f"{text} flour").words[-1].text == "flour"
