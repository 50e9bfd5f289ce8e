"""``/v1/similar``: contexts and answers near a text."""

from __future__ import annotations

from msgspec import Struct

from cache_fabric.fabric import CacheFabric
from cache_fabric.records import SimilarItem
from cache_fabric.web.operations import Asked, Operation

__all__ = ["similar_operations"]


class Near(Struct, forbid_unknown_fields=True, kw_only=True):
    """The text, how many, and whose."""

    query: str
    limit: int = 10
    tenant: str | None = None


class Items(Struct):
    """The nearest first."""

    items: list[SimilarItem]


def similar_operations(fabric: CacheFabric) -> tuple[Operation, ...]:
    """Return the operation that searches by meaning."""

    async def search(asked: Asked) -> Items:
        near = asked.body
        return Items(await fabric.search_similar(near.query, near.limit, tenant=near.tenant))

    return (
        Operation(
            method="POST",
            path="/v1/similar",
            call=search,
            summary="Find contexts and answers near a text",
            body=Near,
            returns=Items,
        ),
    )
