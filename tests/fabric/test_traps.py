"""A small stream of questions with traps: rewordings are served, what only looks alike is not.

A smoke test of the default policy on texts of our own; its quality is measured by
``cache-fabric bench quality``.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from cache_fabric import (
    CacheFabric,
    CacheRequest,
    FabricConfig,
    Hit,
    Miss,
    Verified,
    create_cache_fabric,
)

Ask = Callable[..., CacheRequest]
MAX_ERROR = 0.02


@dataclass(frozen=True)
class Topic:
    """A question, other words for it, and what differs by a negation, a number, a name."""

    question: str
    reworded: tuple[str, ...]
    traps: tuple[str, ...]


TOPICS = (
    Topic(
        "How do I return an item?",
        ("How can I return an item?", "how do i return an item", "How do I return items?"),
        ("How do I not return an item?", "How do I return 3 items?"),
    ),
    Topic(
        "What are your opening hours?",
        ("What are the opening hours?", "what are your opening hours please"),
        ("What are your opening hours on Sunday?", "What were your opening hours in 2019?"),
    ),
    Topic(
        "Can I cancel my order within 30 days?",
        ("Could I cancel my order within 30 days?", "can i cancel an order within 30 days"),
        ("Can I cancel my order within 60 days?", "Can I cancel my order after 30 days?"),
    ),
    Topic(
        "How do I reset my password?",
        ("How can I reset my password?", "how to reset my password", "How do I reset a password?"),
        ("How do I not reset my password?", "How do I reset my password after 5 attempts?"),
    ),
    Topic(
        "What is the capital of France?",
        ("what's the capital of France", "What is France's capital?"),
        ("What is the capital of Spain?", "What is not the capital of France?"),
    ),
    Topic(
        "How many grams are in 5 ounces?",
        ("how many grams are there in 5 ounces", "How many grams in 5 ounces?"),
        ("How many grams are in 6 ounces?", "How many grams are in 50 ounces?"),
    ),
    Topic(
        "Is it safe to eat raw fish?",
        ("Is it safe to eat raw fish", "is eating raw fish safe?"),
        ("Is it unsafe to eat raw fish?", "Is it not safe to eat raw fish?"),
    ),
    Topic(
        "Where can I track my parcel?",
        ("Where do I track my parcel?", "where can i track my parcel please"),
        ("Where can I not track my parcel?", "Where can I track 7 parcels?"),
    ),
    Topic(
        "Do you deliver to Norway?",
        ("do you deliver to norway", "Can you deliver to Norway?"),
        ("Do you deliver from Norway?", "Do you deliver to Sweden?"),
    ),
    Topic(
        "Which plan includes 100 GB of storage?",
        ("What plan includes 100 GB of storage?", "which plan includes 100 GB storage"),
        ("Which plan includes 500 GB of storage?", "Which plan excludes 100 GB of storage?"),
    ),
)


def stream(rounds: int, seed: int = 0) -> list[tuple[str, str, str]]:
    """Return (kind, question, answer): every question in some polite form, each text once."""
    polite = ("{}", "Hi, {}", "Hello! {}", "{} Thanks!", "{} Thank you.", "Hey, {}", "Please: {}")
    asked = []
    for form in polite[:rounds]:
        for topic in TOPICS:
            asked += [("reworded", form.format(text), topic.question) for text in topic.reworded]
            asked += [("trap", form.format(text), text) for text in topic.traps]
    random.Random(seed).shuffle(asked)
    return [("first", topic.question, topic.question) for topic in TOPICS] + asked


@dataclass(frozen=True)
class Replayed:
    """Which traps were served, and of the rewordings whether each was, in order."""

    trapped: list[str]
    reworded: list[bool]


async def replay(fabric: CacheFabric, ask: Ask, seed: int) -> Replayed:
    done = Replayed([], [])
    for kind, question, answer in stream(6, seed):
        found = await fabric.lookup(ask(question))
        if isinstance(found, Hit):
            if found.entry.text != answer:
                done.trapped.append(f"{question} -> {found.entry.question}")
        else:
            assert isinstance(found, Miss)
            await fabric.store(found.ticket, answer)
            await fabric.flush()
            await fabric._run(lambda life: life.engine.learning.flush())
        if kind == "reworded":
            done.reworded.append(isinstance(found, Hit))
    return done


@pytest.mark.parametrize("seed", range(4))
async def test_no_trap_is_served_and_evident_rewordings_are(ask: Ask, seed: int) -> None:
    config = FabricConfig(exact_timeout=30, semantic_timeout=30)
    async with create_cache_fabric(
        "memory", policy=Verified(max_error=MAX_ERROR), config=config
    ) as fabric:
        done = await replay(fabric, ask, seed)
    assert done.trapped == []
    later = done.reworded[len(done.reworded) // 2 :]
    assert any(done.reworded[:20])  # from the start, on credit
    assert sum(later) / len(later) > 0.6
