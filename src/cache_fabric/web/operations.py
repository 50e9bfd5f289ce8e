"""One record an operation: what it takes and answers, for the route and for the document alike.

What is sent is checked against the types of the record before anything is called, so that the
document cannot say anything else than what is done.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cache_fabric.errors import CacheFabricError, ValidationError
from cache_fabric.fault_place import place_of
from cache_fabric.web.errors import answer_to, refusal

__all__ = ["Asked", "Nothing", "Operation", "Reply", "read_body", "routes"]

_JSON = "application/json"
_GET_TOO = {"HEAD": "GET"}
_log = logging.getLogger("cache_fabric")


class Nothing(Struct, forbid_unknown_fields=True):
    """No parameters."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was sent, as its operation declares it.

    Attributes:
        names: Parts of the path by name, decoded.
        query: Its parameters, of the operation's type.
        body: Of the operation's type, ``None`` where it takes none.
        headers: By lower-case name.
        has_left: Says whether the caller does not wait for the answer any more.
    """

    names: Mapping[str, str]
    query: Any
    body: Any
    headers: Mapping[str, str]
    has_left: Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that needs more than a value: another status, or headers."""

    value: Any = None
    status: int | None = None
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method on one path.

    Attributes:
        call: Answers with a value of ``returns``, a `Reply` or a response; errors of the fabric
            are answered for it.
        summary: In a line, for the document.
        query, body: Types of what it takes.
        returns: Type of what it answers with.
        status: Where all is well.
        also: Other statuses that it may answer with.
        takes: Request headers that it reads.
        most_bytes: Of the body.
        events: Types of what a stream tells, by the name of the event.
        media_type: Of an answer that is no JSON.
    """

    method: str
    path: str
    call: Callable[[Asked], Awaitable[Any]]
    summary: str
    query: type[Struct] = Nothing
    body: Any = None
    returns: Any = None
    status: int = 200
    also: tuple[int, ...] = ()
    takes: tuple[str, ...] = ()
    most_bytes: int = 64 * 1024
    events: Mapping[str, type] = field(default_factory=dict)
    media_type: str = _JSON


def routes(operations: Iterable[Operation]) -> list[Route]:
    """Return a route a path, those without names in them first."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    ordered = sorted(by_path, key=lambda path: path.count("{"))
    return [_route(path, by_path[path]) for path in ordered]


def _route(path: str, by_method: Mapping[str, Operation]) -> Route:
    async def endpoint(request: Request) -> Response:
        return await _answered(by_method[_GET_TOO.get(request.method, request.method)], request)

    return Route(path, endpoint, methods=list(by_method))


async def _answered(operation: Operation, request: Request) -> Response:
    try:
        asked = await _asked(operation, request)
        if isinstance(asked, Response):
            return asked
        said = await operation.call(asked)
    except CacheFabricError as error:
        return answer_to(error)
    except Exception as error:  # noqa: BLE001 - nobody above would answer in the form of the others
        place = place_of(error)
        _log.error("%s %s failed: %s", operation.method, operation.path, place)
        return refusal(500, None, "this is a fault of the server; its log says more")
    return said if isinstance(said, Response) else _response(operation, said)


async def _asked(operation: Operation, request: Request) -> Asked | Response:
    names = {name: _decoded(name, value) for name, value in request.path_params.items()}
    query = _query(operation, request)
    body = None
    if operation.body is not None:
        given = request.headers.get("content-type")
        if given is not None and given.partition(";")[0].strip().lower() != _JSON:
            return refusal(415, None, f"expected {_JSON}")
        data = await read_body(request, operation.most_bytes)
        if data is None:
            return refusal(413, None, f"expected at most {operation.most_bytes} bytes")
        try:
            plain = msgspec.json.decode(data)
        except (ValueError, RecursionError):
            return refusal(400, None, "expected JSON")
        if not isinstance(plain, dict):
            return refusal(400, None, "expected a JSON object")
        body = _checked(lambda: msgspec.convert(plain, operation.body))
    return Asked(names, query, body, request.headers, request.is_disconnected)


def _decoded(name: str, value: str) -> str:
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise ValidationError(name, "expected UTF-8") from None


def _query(operation: Operation, request: Request) -> Any:
    pairs = request.query_params.multi_items()
    given = dict(pairs)
    if len(given) != len(pairs):
        raise ValidationError("query", "expected each parameter once")
    query = _checked(lambda: msgspec.convert(given, operation.query, strict=False))
    for name in given:
        if getattr(query, name) is None:  # the text "null" is no number
            raise ValidationError(name, "expected a value; leave the parameter out for none")
    return query


def _checked(convert: Callable[[], Any]) -> Any:
    """Convert, with the field that is wrong in the error."""
    try:
        return convert()
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        unknown = re.search(r"field `(.*)`$", message)
        parts = [path.rstrip("`").lstrip("."), unknown[1] if unknown else ""]
        raise ValidationError(".".join(filter(None, parts)), message) from None
    except RecursionError:
        raise ValidationError("body", "expected less deeply nested data") from None


async def read_body(request: Request, most: int) -> bytes | None:
    """Return the body, ``None`` as soon as it is too large."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            return None
    return bytes(body)


def _response(operation: Operation, said: Any) -> Response:
    reply = said if isinstance(said, Reply) else Reply(said)
    status = operation.status if reply.status is None else reply.status
    headers = None if reply.headers is None else dict(reply.headers)
    if status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
        return Response(None, status, headers)
    return Response(msgspec.json.encode(reply.value), status, headers, media_type=_JSON)
