"""``/v1/openapi.json``: the document of the API, made of what its routes are made of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec.structs import fields

from cache_fabric import __version__
from cache_fabric.web.access import OPEN_PATHS
from cache_fabric.web.errors import Failure
from cache_fabric.web.operations import Asked, Operation

__all__ = ["document", "document_operation"]

_JSON = "application/json"
_REFERENCE = "#/components/schemas/{name}"
_OF_EVERY = (403, 421, 422, 500, 503)
_OF_BODIES = (400, 413, 415)
_SAID_BY_EVERY = {
    304: "What was sent in If-None-Match is current",
    400: "The body is no JSON object",
    401: "The token is missing or wrong",
    403: "Asked by a page of another origin",
    404: "What was named is not there",
    412: "A compare-and-set lost; current is what won",
    413: "The body is too large",
    415: "The body is not JSON",
    421: "Asked under another name than the server's",
    422: "A value is not what it has to be; field names it",
    500: "A fault of the server",
    503: "The store is away",
}


def document_operation(operations: Sequence[Operation]) -> Operation:
    """Return the operation that serves the document of these operations and of itself."""

    async def read(_: Asked) -> dict[str, Any]:
        return made

    itself = Operation(
        method="GET",
        path="/v1/openapi.json",
        call=read,
        summary="Read this document",
        returns=dict[str, Any],
    )
    made = document([*operations, itself])
    return itself


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of operations."""
    types = [t for o in operations for t in (o.body, o.returns, *o.events.values()) if t]
    schemas, components = _schemas([*types, Failure])
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        told = _operation(operation, schemas)
        paths.setdefault(operation.path, {})[operation.method.lower()] = told
    return {
        "openapi": "3.1.0",
        "info": {"title": "Cache Fabric", "version": __version__, "license": {"name": "MIT"}},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _schemas(types: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schemas of types by their ``repr``, and the components that they refer to."""
    made, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    return dict(zip(map(repr, types), made, strict=True)), components


def _of_parameter(one: Any) -> Any:
    """Return the schema of what a parameter has; one that has nothing is left out."""
    made = msgspec.json.schema_components([one], ref_template=_REFERENCE)[0][0]
    kinds = [kind for kind in made.get("anyOf", ()) if kind != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else made


def _operation(operation: Operation, schemas: Mapping[str, Any]) -> dict[str, Any]:
    is_open = operation.path in OPEN_PATHS
    told: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": operation.method.lower() + re.sub("[^a-z0-9]+", "_", operation.path),
        "security": [] if is_open else [{"token": []}],
        "parameters": _parameters(operation),
        "responses": _responses(operation, schemas, is_open=is_open),
    }
    if operation.body is not None:
        told["requestBody"] = {
            "required": True,
            "content": {_JSON: {"schema": schemas[repr(operation.body)]}},
        }
    return told


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    text = {"type": "string"}
    in_path = re.findall("{([a-z]+)}", operation.path)
    return [
        *(
            {"name": name, "in": "path", "required": True, "schema": {**text, "minLength": 1}}
            for name in in_path
        ),
        *(
            {
                "name": given.encode_name,
                "in": "query",
                "required": given.required,
                "schema": _of_parameter(given.type),
            }
            for given in fields(operation.query)
        ),
        *({"name": name, "in": "header", "schema": text} for name in operation.takes),
    ]


def _responses(
    operation: Operation, schemas: Mapping[str, Any], *, is_open: bool
) -> dict[str, Any]:
    bodies = () if operation.body is None else _OF_BODIES
    errors = {*_OF_EVERY, *bodies, *(() if is_open else (401,))}
    told = {status: _response(status, schemas[repr(Failure)]) for status in errors}
    for status in (operation.status, *operation.also):
        is_failure = status >= HTTPStatus.BAD_REQUEST and operation.path not in OPEN_PATHS
        told[status] = _response(
            status, schemas[repr(Failure)] if is_failure else _answered(operation, schemas)
        )
        if operation.media_type != _JSON and not is_failure:
            told[status]["content"] = {operation.media_type: {"schema": {"type": "string"}}}
        if operation.events:
            told[status]["x-events"] = {n: schemas[repr(t)] for n, t in operation.events.items()}
    return {str(status): told[status] for status in sorted(told)}


def _answered(operation: Operation, schemas: Mapping[str, Any]) -> Any:
    return None if operation.returns is None else schemas[repr(operation.returns)]


def _response(status: int, schema: Any) -> dict[str, Any]:
    said = {"description": _SAID_BY_EVERY.get(status, HTTPStatus(status).phrase)}
    empty = schema is None or status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
    return said if empty else {**said, "content": {_JSON: {"schema": schema}}}
