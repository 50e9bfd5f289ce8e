"""What the guard finds in the open evaluation pairs, and what it objects to in vain.

The limits are what was measured (2026-11), rounded to the careful side.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from typing import Any

import pytest

from cache_fabric.guard import Kind, Verdict, compare
from evaluation import DATA, needs_data

pytestmark = needs_data

Judged = list[tuple[dict[str, Any], Verdict]]

# Source and category of traps, and the least share that is contradicted.
FOUND = [
    ("checklist_qqp", "antonym", 1.00),
    ("checklist_qqp", "role_order", 1.00),
    ("checklist_qqp", "number_swap", 0.98),
    ("checklist_qqp", "location_swap", 0.98),
    ("checklist_qqp", "entity_swap", 0.97),
    ("checklist_qqp", "negation", 0.96),
    ("situatedqa_temp", "date_swap", 0.99),
    ("svamp", "math_change", 0.98),
    ("dbqa", "entity_swap", 0.60),
    ("dbqa", "number_swap", 0.55),
    ("qqp", "number_swap", 0.60),
    ("qqp", "entity_swap", 0.50),
    ("qqp", "negation", 0.45),
]
# Source and category of paraphrases, and the greatest share that is contradicted. In qqp, 15 % of
# the positives are no duplicates; of those contradicted most differ in a number or a name.
IN_VAIN = [
    ("checklist_qqp", "antonym_equiv", 0.00),
    ("checklist_qqp", "irrelevant_modifier", 0.00),
    ("checklist_qqp", "passive_equiv", 0.00),
    ("checklist_qqp", "role_order_equiv", 0.00),
    ("checklist_qqp", "syntax_equiv", 0.00),
    ("dbqa", "paraphrase", 0.01),
    ("qqp", "paraphrase", 0.065),
    ("qqp", "paraphrase_low_overlap", 0.07),
]
# Kinds whose contradictions may be a veto over all sources, and the least share that is right.
PRECISE = [
    (Kind.NUMBER, 0.94),
    (Kind.DATE, 0.98),
    (Kind.ORDER, 0.96),
    (Kind.NAME, 0.90),
    (Kind.COMPARISON, 0.90),
]


@pytest.fixture(scope="module")
def judged() -> Judged:
    with gzip.open(DATA / "open" / "pairs.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [(row, compare(row["text_a"], row["text_b"])) for row in rows if not row.get("optional")]


def contradicted(judged: Judged, source: str, category: str, same_answer: int) -> float:
    wanted = (source, category, same_answer)
    found = [
        verdict.contradicts
        for row, verdict in judged
        if (row["source"], row["category"], row["same_answer"]) == wanted
    ]
    return sum(found) / len(found)


@pytest.mark.parametrize(("source", "category", "least"), FOUND)
def test_traps_are_contradicted(judged: Judged, source: str, category: str, least: float) -> None:
    assert contradicted(judged, source, category, 0) >= least


@pytest.mark.parametrize(("source", "category", "most"), IN_VAIN)
def test_paraphrases_are_rarely_contradicted(
    judged: Judged, source: str, category: str, most: float
) -> None:
    assert contradicted(judged, source, category, 1) <= most


@pytest.mark.parametrize(("kind", "least"), PRECISE)
def test_a_contradiction_of_a_precise_kind_is_mostly_right(
    judged: Judged, kind: Kind, least: float
) -> None:
    labels = [
        row["same_answer"]
        for row, verdict in judged
        if any(objection.kind is kind and objection.contradicts for objection in verdict.objections)
    ]
    assert labels.count(0) / len(labels) >= least


def test_the_strict_reading_allows_almost_no_trap(judged: Judged) -> None:
    allowed: dict[str, list[int]] = defaultdict(list)
    for row, verdict in judged:
        if verdict.allowed:
            allowed[row["source"]].append(row["same_answer"])
    assert (
        0 not in allowed["checklist_qqp"] + allowed["dbqa"] + allowed["svamp"] + allowed["xstest"]
    )
    assert allowed["qqp"].count(0) / len(allowed["qqp"]) <= 0.08
