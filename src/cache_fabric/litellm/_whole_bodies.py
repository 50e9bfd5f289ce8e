"""Answers of text completions and of the Responses API: kept as the body that LiteLLM has. Pure.

No other host asks for them in these words. The id of a response of the Responses API stays as it
is, for it names what the provider keeps (``previous_response_id``).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from cache_fabric.content_blocks import hosted_tools
from cache_fabric.errors import CodecError
from cache_fabric.types import Answer

__all__ = ["read_body", "to_response_answer", "to_text_answer"]


def to_text_answer(body: Mapping[str, Any]) -> Answer:
    """Return the body of a text completion as an `Answer`."""
    choices = body.get("choices") or []
    return Answer(
        payload={"body": dict(body)},
        text=str(choices[0].get("text") or "") if choices else "",
        finish_reasons=tuple(choice.get("finish_reason") or "unknown" for choice in choices),
        error="an error" if body.get("error") else None,
    )


def to_response_answer(body: Mapping[str, Any]) -> Answer:
    """Return the body of a response of the Responses API as an `Answer`."""
    output = body.get("output") or []
    parts = list(_parts(output))
    calls = [str(item.get("name")) for item in output if _kind(item) in _CALLS]
    flaw = "an error" if body.get("error") else None
    if any(_kind(part) == "refusal" for part in parts):
        flaw = "a refusal"
    details = body.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, Mapping) else None
    return Answer(
        payload={"body": dict(body)},
        text="".join(str(part.get("text") or "") for part in parts),
        finish_reasons=(str(reason or body.get("status") or "unknown"),),
        tool_calls=(*calls, *hosted_tools(output)),
        error=flaw,
    )


def read_body(payload: Any, *, renew: bool) -> dict[str, Any]:
    """Return the body of a payload; ``renew`` gives it a fresh id.

    Raises:
        CodecError: The payload is not one of ours.
    """
    body = payload.get("body") if isinstance(payload, Mapping) else None
    if not isinstance(body, dict):
        raise CodecError("the payload does not hold a body")
    return {**body, "id": f"cmpl-{uuid.uuid4().hex}"} if renew else body


_CALLS = ("custom_tool_call", "function_call")


def _parts(output: list[Any]) -> Iterator[Mapping[str, Any]]:
    for item in output:
        if _kind(item) == "message":
            yield from item.get("content") or ()


def _kind(item: Any) -> Any:
    return item.get("type") if isinstance(item, Mapping) else None
