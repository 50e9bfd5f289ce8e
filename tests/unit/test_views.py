"""What a notebook shows of records: the texts in them are escaped, and unknown is a dash."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from typing import Any

import pytest

from cache_fabric.context_view import diff_of
from cache_fabric.explanation import CandidateExplanation, EntryExplanation, LookupExplanation
from cache_fabric.records import ContextDiff, ContextEntry, Execution
from cache_fabric.types import (
    Bypass,
    CacheEntry,
    CacheRequest,
    Candidate,
    ContextScope,
    Hit,
    KeySet,
    Miss,
    Ticket,
)
from cache_fabric.usage import Usage
from cache_fabric.verdict_rules import Happening
from cache_fabric.viewed import Viewed, html_diff, html_table
from cache_fabric.views import html_of

EVIL = "<script>alert('$1')</script>"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ENTRY = CacheEntry(
    id=EVIL,
    exact="e",
    partition="p",
    question=EVIL,
    payload=EVIL,
    text=EVIL,
    model=EVIL,
    created=0.0,
    tenant=EVIL,
    user=EVIL,
    tags=(EVIL,),
    contexts=((EVIL, 1),),
    usage=Usage(input_tokens=1_000, output_tokens=234),
    cost_micros=33,
)
TICKET = Ticket(KeySet("p", "e", EVIL), CacheRequest(model=EVIL, messages=[]), (0, 0))
LOOKUP = LookupExplanation(
    id=EVIL,
    at=0.0,
    outcome="miss",
    reason=EVIL,
    model=EVIL,
    seconds=0.001,
    tier=None,
    similarity=0.5,
    probability=0.25,
    stale=False,
    degraded=None,
    entry_id=None,
    age=None,
    contexts=(),
    policy=EVIL,
    threshold=0.9,
    candidates=(
        CandidateExplanation(
            entry_id=EVIL,
            similarity=0.5,
            best=True,
            same_answer=True,
            score=None,
            guard=None,
            contradicts=None,
            question=EVIL,
            objections=(EVIL,),
        ),
    ),
    scoring=None,
    features=(),
    budget=None,
    audit=None,
    question=EVIL,
)
KNOWN = EntryExplanation(
    id=EVIL,
    model=EVIL,
    tenant=EVIL,
    user=EVIL,
    tags=(EVIL,),
    contexts=((EVIL, 1),),
    embedder=EVIL,
    created=0.0,
    age=1.0,
    expires=None,
    expired=False,
    latency=None,
    cost_micros=None,
    tokens=None,
    hits=(),
    refused=0,
    state="active",
    history=(Happening(at=0.0, what=EVIL, by=EVIL, why=EVIL),),
    question=EVIL,
    text=EVIL,
)
CONTEXT = ContextEntry(
    key=EVIL,
    value={"text": EVIL},
    scope=ContextScope.TENANT,
    version=2,
    behaviour=1,
    revision=3,
    timestamp=NOW,
    author=EVIL,
    message=EVIL,
    labels=(EVIL,),
)
RUN = Execution(
    execution_id=EVIL,
    graph_name=EVIL,
    state={"input": EVIL, "output": {EVIL: EVIL}, "status": EVIL},
    timestamp=NOW,
)
RECORDS: list[Any] = [
    Hit(entry=ENTRY, tier="semantic", reason=EVIL, lookup_id=EVIL, probability=0.9),
    Miss(ticket=TICKET, reason=EVIL, nearest=Candidate(ENTRY, 0.5), degraded=EVIL),
    Bypass(reason=EVIL),
    ENTRY,
    LOOKUP,
    KNOWN,
    CONTEXT,
    diff_of(EVIL, f"{EVIL} ", EVIL, EVIL),
    RUN,
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_hostile_text_is_shown_and_never_markup(record: Any) -> None:
    shown = record._repr_html_()
    assert "<script" not in shown
    assert html.escape("<script>") in shown


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_dollars_are_kept_from_being_read_as_formulae(record: Any) -> None:
    shown = record._repr_html_()
    starts = shown.count("<table") + shown.startswith("<div")
    assert shown.count("mathjax_ignore") == starts > 0


def test_every_record_that_asks_for_a_view_has_one() -> None:
    asking = {kind.__name__ for kind in Viewed.__subclasses__()}  # slots make some of them twice
    assert {type(record).__name__ for record in RECORDS} == asking


def test_what_has_no_view_is_refused() -> None:
    with pytest.raises(TypeError, match="no view of dict"):
        html_of({})


def test_what_is_not_known_is_a_dash_and_nought_is_not() -> None:
    table = html_table("t", [("a", None), ("b", 0), ("c", "")])
    assert table.count("\u2013") == 2
    assert ">0<" in table


def test_a_long_text_is_cut() -> None:
    assert len(html_table("t", [("a", "x" * 1_000_000)])) < 3_000


def test_a_table_with_a_header_has_no_labels() -> None:
    table = html_table("t", [("a", "b")], ("one", "two"))
    assert (table.count("<th "), table.count("<td ")) == (2, 2)


def test_lines_of_a_diff_are_told_apart_and_the_names_left_out() -> None:
    shown = html_diff(diff_of("same\nold\n", "same\nnew\n", "key@1", "key@2"))
    colours = [line.partition("'>")[0] for line in shown.split("<div style='background:")[1:]]
    assert len(colours) == 4
    assert len(set(colours)) == 4
    assert "key@" not in shown


def test_a_diff_is_still_a_text() -> None:
    diff = diff_of("a", "b", "one", "two")
    assert isinstance(diff, ContextDiff)
    assert diff == "--- one\n+++ two\n@@ -1 +1 @@\n-a\n+b"
    assert type(str(diff)) is str
