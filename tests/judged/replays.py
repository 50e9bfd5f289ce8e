"""Runs to be replayed: what they ask, and who answers."""

from __future__ import annotations

from typing import Any

from cache_fabric import CacheFabric, CacheRequest, Miss
from cache_fabric.version_records import ReplayReport
from judged.conftest import KEY

OLD, NEW = "You are a shop's support.", "You are a shop's very polite support."
RETURNS = "How do I return an item?"
SHIPPING = "When does my parcel arrive?"
ANSWERS = {
    RETURNS: "You can return an item within 30 days of delivery, free of charge, by post.",
    SHIPPING: "Your parcel arrives in the course of the next week, most often on a Tuesday.",
}


def asked(question: str, system: str = OLD, **fields: Any) -> CacheRequest:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    return CacheRequest(model="gpt-4o-mini", messages=messages, **fields)


async def run(
    fabric: CacheFabric, request: CacheRequest, version: int = 1, answer: str | None = None
) -> str | None:
    """Answer a request and track the run that asked it; returns the entry's id."""
    result = await fabric.lookup(request)
    question = request.messages[-1]["content"]
    entry_id = None
    if isinstance(result, Miss):
        text = ANSWERS[question] if answer is None else answer
        entry_id = await fabric.store(result.ticket, text)
    state = {"input": question, "contexts": [{"key": KEY, "version": version}]}
    name = f"run-{question}-{version}-{request.tenant}"
    await fabric.track_execution(
        name, "support", state, answers=[result], tenant=request.tenant, user=request.user
    )
    return entry_id


def same_as_before(request: CacheRequest) -> str:
    return ANSWERS[request.messages[-1]["content"]]


def verdicts(report: ReplayReport) -> dict[str | None, str]:
    return {row.question: row.verdict for row in report.rows}


def never(_: CacheRequest) -> Any:
    raise AssertionError("nobody is to be asked")


async def opened_shop(fabric: CacheFabric) -> CacheFabric:
    """Give a prompt a second version that nobody has been served yet."""
    await fabric.set_context(KEY, OLD)
    for question in ANSWERS:
        await run(fabric, asked(question))
    await fabric.set_context(KEY, NEW)
    return fabric
