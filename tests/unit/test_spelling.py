from __future__ import annotations

import pytest

from cache_fabric.guard.spelling import same_word


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("city", "cities"),
        ("box", "boxes"),
        ("bake", "baking"),
        ("carries", "carrying"),
        ("stop", "stopped"),
        ("stops", "stopping"),
        ("transport", "transportation"),
        ("easy", "easily"),
    ],
)
def test_endings_are_seen_through(left: str, right: str) -> None:
    assert same_word(left, right)
    assert same_word(left, right, spelled=False)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("colour", "color"),
        ("organise", "organize"),
        ("defence", "defense"),
        ("recieve", "receive"),
        ("adress", "address"),
    ],
)
def test_spellings_are_seen_through_unless_told_not_to(left: str, right: str) -> None:
    assert same_word(left, right)
    assert not same_word(left, right, spelled=False)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("nitrate", "nitrite"),
        ("form", "from"),
        ("plan", "plane"),
        ("plant", "plantation"),
        ("be", "bes"),
        ("later", "latter"),
        ("hop", "hopped_"),
        ("fault", "falt"),
        ("1980", "1980s"),
        ("5", "50"),
    ],
)
def test_other_words_and_numbers_stay_apart(left: str, right: str) -> None:
    assert not same_word(left, right)
