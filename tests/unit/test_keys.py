"""Golden keys, and what must and must not share one."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import pytest

from cache_fabric.errors import NotCacheable
from cache_fabric.keys import canonical, derive
from cache_fabric.types import CacheRequest, KeySet

BASE = CacheRequest(
    model="gpt-4o-mini",
    messages=[
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How do I return a shoe?"},
    ],
    tools=[{"name": "search", "parameters": {"type": "object"}}],
    params={"temperature": 0.0, "seed": 7, "stop": ["END"]},
    tenant="acme",
)
GOLDEN_PARTITION = "e54c883a2aae0235c08e9ce84b44e93dc152d75302c549d0ea8fa10ac887fba7"
GOLDEN_EXACT = "40419a00e1e95aa7cde0a1adfc3b3aab4dee5a18bcbe4a6b50cf1d7f2907a1a5"


def keys(request: CacheRequest, **changes: Any) -> KeySet:
    options: dict[str, Any] = {"secret": b"s", "namespace": "n", "embedder": "e"} | changes
    return derive(request, **options)


def changed(**fields: Any) -> CacheRequest:
    return dataclasses.replace(BASE, **fields)


def asking(content: Any, role: str = "user") -> CacheRequest:
    return changed(messages=[BASE.messages[0], {"role": role, "content": content}])


def test_keys_are_the_golden_ones() -> None:
    found = keys(BASE)
    assert (found.partition, found.exact) == (GOLDEN_PARTITION, GOLDEN_EXACT)


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_keys_are_equal_over_processes_and_hash_seeds(seed: str) -> None:
    code = "from unit.test_keys import BASE, keys; print(keys(BASE).exact)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == GOLDEN_EXACT


@pytest.mark.parametrize(
    "other",
    [
        changed(model="gpt-4o"),
        changed(tenant="globex"),
        changed(tenant=None),
        changed(user="ann"),
        changed(kind="completion"),
        changed(tools=[]),
        changed(tools=[{"name": "find", "parameters": {"type": "object"}}]),
        changed(params={**BASE.params, "temperature": 0.1}),
        changed(params={**BASE.params, "an_unknown_parameter": "x"}),
        changed(messages=[{"role": "system", "content": "Be brief!"}, BASE.messages[1]]),
        changed(messages=[BASE.messages[1]]),
        changed(messages=[BASE.messages[0], {"role": "user", "content": "Hi"}, BASE.messages[1]]),
        changed(messages=[BASE.messages[0], {**BASE.messages[1], "name": "ann"}]),
    ],
)
def test_any_change_of_the_context_changes_the_partition(other: CacheRequest) -> None:
    assert keys(other).partition != keys(BASE).partition


@pytest.mark.parametrize("option", [{"secret": b"t"}, {"namespace": "m"}, {"embedder": "f"}])
def test_secret_namespace_and_embedder_are_part_of_the_keys(option: dict[str, Any]) -> None:
    assert keys(BASE, **option).partition != keys(BASE).partition


def test_another_question_keeps_the_partition_and_changes_the_exact_key() -> None:
    other = keys(asking("How can I send a shoe back?"))
    assert other.partition == keys(BASE).partition
    assert other.exact != keys(BASE).exact
    assert other.question == "How can I send a shoe back?"


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("shoe", "shoe "),
        ("caf\u00e9", "cafe\u0301"),
        ("paypal", "p\u0430ypal"),
        ("a\u200bb", "ab"),
        ("A", "a"),
    ],
)
def test_questions_are_equal_byte_for_byte_only(one: str, two: str) -> None:
    assert keys(asking(one)).exact != keys(asking(two)).exact


def test_the_one_text_block_of_a_message_is_its_question() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    found = keys(asking([{"type": "text", "text": "What is this?"}, image]))
    assert found.question == "What is this?"
    other = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AB"}}
    assert (
        keys(asking([{"type": "text", "text": "What is this?"}, other])).partition
        != found.partition
    )


@pytest.mark.parametrize(
    "request_",
    [
        changed(messages=[]),
        asking("done", role="tool"),
        asking("   "),
        asking([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
        changed(params={"n": 2}),
    ],
    ids=["no messages", "tool result last", "blank", "two texts", "alternatives"],
)
def test_what_cannot_be_compared_by_meaning_has_no_question(request_: CacheRequest) -> None:
    assert keys(request_).question is None


def test_a_question_in_the_context_is_not_the_question_itself() -> None:
    blank = keys(asking("\x00question"))
    assert blank.exact != keys(asking("other")).exact
    assert keys(asking("   ")).exact != keys(asking("    ")).exact


@pytest.mark.parametrize(
    "value", [0, "0", False, 0.0, -0.0, None, [], {}, b"0", "", ["0"], {"0": 0}]
)
def test_values_that_look_alike_have_different_bytes(value: Any) -> None:
    others: list[Any] = [0, "0", False, 0.0, -0.0, None, [], {}, b"0", "", ["0"], {"0": 0}]
    same = [o for o in others if canonical(o) == canonical(value)]
    assert len(same) == 1
    assert canonical({"k": value}) != canonical({})


def test_order_of_dicts_and_kind_of_sequence_do_not_count() -> None:
    assert canonical({"a": 1, "b": (1, 2)}) == canonical({"b": [1, 2], "a": 1})
    assert canonical({3, 1, 2}) == canonical(frozenset([2, 3, 1]))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ((["ab", "c"],), (["a", "bc"],)),
        (([["a"], "b"],), ([["a", "b"]],)),
        (({"a": "b"},), (["a", "b"],)),
    ],
)
def test_parts_never_run_together(one: Any, two: Any) -> None:
    assert canonical(one) != canonical(two)


def test_text_that_is_not_unicode_is_not_cacheable() -> None:
    for request in (asking("bad \ud800 text"), changed(params={"stop": ["\udfff"]})):
        with pytest.raises(NotCacheable, match="lone surrogate"):
            keys(request)


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "not finite"),
        (float("inf"), "not finite"),
        (object(), "type object"),
        (lambda: None, "type function"),
        (nested(5000), "nested deeper"),
        ("x" * 300_000, "over 262144 bytes"),
        (list(range(100_000)), "over 262144 bytes"),
    ],
    ids=["nan", "inf", "object", "function", "deep", "long", "many"],
)
def test_a_value_without_a_stable_form_is_not_cacheable(value: Any, reason: str) -> None:
    with pytest.raises(NotCacheable, match=reason):
        keys(changed(params={"x": value}))


def test_a_list_that_holds_itself_is_not_cacheable() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(NotCacheable, match="nested deeper"):
        canonical(loop)


def test_a_five_megabyte_question_is_not_cacheable() -> None:
    with pytest.raises(NotCacheable, match="over 262144 bytes"):
        keys(asking("word " * 1_000_000))


def test_an_integer_of_five_thousand_digits_has_a_key() -> None:
    assert canonical(10**5000) != canonical(10**5000 + 1)


@pytest.mark.parametrize(
    "other",
    [
        changed(tenant="globex"),
        changed(tenant=None),
        changed(user="ann"),
        changed(messages=[BASE.messages[0], {"role": "user", "content": "Hi"}, BASE.messages[1]]),
        asking("How can I send a shoe back?"),
    ],
    ids=["tenant", "no tenant", "user", "history", "question"],
)
def test_a_family_is_one_task_whoever_asks_and_whatever_was_said(other: CacheRequest) -> None:
    assert keys(other).family == keys(BASE).family
    assert keys(other).exact != keys(BASE).exact


@pytest.mark.parametrize(
    "other",
    [
        changed(model="gpt-4o"),
        changed(kind="completion"),
        changed(tools=[{"name": "find", "parameters": {"type": "object"}}]),
        changed(params={**BASE.params, "temperature": 0.1}),
        changed(messages=[{"role": "system", "content": "Be brief!"}, BASE.messages[1]]),
        changed(messages=[{"role": "developer", "content": "Be kind."}, *BASE.messages]),
    ],
    ids=["model", "kind", "tools", "params", "system prompt", "developer prompt"],
)
def test_another_task_is_another_family(other: CacheRequest) -> None:
    assert keys(other).family != keys(BASE).family


@pytest.mark.parametrize("option", [{"secret": b"t"}, {"namespace": "m"}, {"embedder": "f"}])
def test_families_of_two_fabrics_never_meet(option: dict[str, Any]) -> None:
    assert keys(BASE, **option).family != keys(BASE).family


def test_a_version_of_a_context_is_a_task_of_its_own() -> None:
    def at(behaviour: int) -> KeySet:
        return keys(BASE, known=lambda text: ("prompts/shop", behaviour))

    assert at(1).family == at(1).family
    assert len({at(1).family, at(2).family, keys(BASE).family}) == 3
