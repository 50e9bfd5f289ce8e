"""A retriever that answers the same query with the same documents for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever, LangSmithRetrieverParams
from pydantic import PrivateAttr

from cache_fabric.errors import ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain._documents import read_documents, to_answer
from cache_fabric.langchain._identity import identity_of
from cache_fabric.langchain._seam import FailOpen, Seam
from cache_fabric.options import CacheOptions
from cache_fabric.types import CacheRequest, Hit, Miss, Ticket
from cache_fabric.usage import NO_TOKENS
from cache_fabric.validation import check_ttl

__all__ = ["FabricRetriever", "cached_retriever"]

_HOST = "langchain"
_ROLE = "query"  # not a user's question: documents of a similar query are not served


def cached_retriever(
    retriever: BaseRetriever,
    fabric: CacheFabric,
    *,
    ttl: float,
    tenant: str | None = None,
    name: str | None = None,
) -> BaseRetriever:
    """Return a retriever that keeps the documents found for a query in a fabric.

    The same query, byte for byte, with the same arguments gets private copies of the same documents
    until the ``ttl`` is over. Identical queries at one time are one call. Nothing found, and
    documents that plain data cannot say exactly (a date in the metadata), are not kept. Retrievals
    count as requests of the model ``retriever:NAME``; after a change of the index call
    ``fabric.invalidate(model="retriever:NAME")``. NAME is the class where there is no name.

    Args:
        retriever: Asked on a miss, within the same run: callbacks see one retrieval either way. Its
            identity is its class and the fields that it declares, search arguments among them.
        fabric: Used as it is and never closed; its stale windows apply.
        ttl: Most seconds that documents are served: an index changes under its retriever.
        tenant: Whose retrievals these are; documents are not shared between tenants.
        name: Stands for what cannot be read of the identity, such as a vector store.

    Raises:
        ConfigurationError: No stable identity can be read and there is no name.
        ValidationError: An argument is not usable.
    """
    given: object = retriever
    if not isinstance(given, BaseRetriever):
        found = type(given).__name__
        raise ValidationError("retriever", f"expected a BaseRetriever, got {found}")
    if check_ttl(ttl) is None:
        raise ValidationError("ttl", "expected seconds above 0, got None")
    identity_of(retriever, "retriever", name)  # tells now what cannot be read
    return FabricRetriever(
        retriever=retriever,
        fabric=fabric,
        ttl=ttl,
        tenant=tenant,
        called=name,
        name=retriever.get_name(),
        tags=retriever.tags,
        metadata=retriever.metadata,
    )


class FabricRetriever(BaseRetriever):
    """See `cached_retriever`. A fault of ours only makes the retriever be asked; it is counted."""

    retriever: BaseRetriever
    fabric: CacheFabric
    ttl: float
    tenant: str | None = None
    called: str | None = None

    _model: str = PrivateAttr()
    _seam: Seam = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Name what events and metrics call it."""
        self._model = f"retriever:{self.called or type(self.retriever).__name__}"
        self._seam = Seam(self.fabric)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        inner, search = self.retriever, self._heard(kwargs)
        ticket = None
        with self._harmless():
            result = self.fabric.sync.lookup(self._request(query, search))
            if isinstance(result, Hit):
                with self._seam.reading(result):
                    return read_documents(result.entry.payload)
            ticket = result.ticket if isinstance(result, Miss) else None
        if inner._new_arg_supported:
            search = {**search, "run_manager": run_manager}
        try:
            documents = inner._get_relevant_documents(query, **search)
        except BaseException as error:
            standing_in = self._failed(ticket, error)
            if standing_in is None:
                raise
            return standing_in
        self._keep(ticket, documents)
        return documents

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        inner, search = self.retriever, self._heard(kwargs)
        ticket = None
        with self._harmless():
            result = await self.fabric.lookup(self._request(query, search))
            if isinstance(result, Hit):
                with self._seam.reading(result):
                    return read_documents(result.entry.payload)
            ticket = result.ticket if isinstance(result, Miss) else None
        if inner._new_arg_supported:
            search = {**search, "run_manager": run_manager}
        try:
            documents = await inner._aget_relevant_documents(query, **search)
        except BaseException as error:
            standing_in = self._failed(ticket, error)
            if standing_in is None:
                raise
            return standing_in
        self._keep(ticket, documents)
        return documents

    def _get_ls_params(self, **kwargs: Any) -> LangSmithRetrieverParams:
        return self.retriever._get_ls_params(**kwargs)

    def _heard(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments that the retriever takes; LangChain drops the others."""
        return dict(kwargs) if self.retriever._expects_other_args else {}

    def _request(self, query: str, search: Mapping[str, Any]) -> CacheRequest:
        return CacheRequest(
            model=self._model,
            messages=[{"role": _ROLE, "content": query}],
            params={
                f"{_HOST}:retriever": identity_of(self.retriever, "retriever", self.called),
                f"{_HOST}:search": search,
            },
            tenant=self.tenant,
            options=CacheOptions(ttl=self.ttl),
        )

    def _harmless(self) -> FailOpen:
        return self._seam.harmless(lambda: self._model)

    # What follows does no I/O here, so one colour serves both.

    def _keep(self, ticket: Ticket | None, documents: list[Document]) -> None:
        if ticket is not None:
            with self._harmless():
                self.fabric.sync.store(ticket, to_answer(documents), usage=NO_TOKENS)

    def _failed(self, ticket: Ticket | None, error: BaseException) -> list[Document] | None:
        """Give the ticket back; return expired documents where they may stand in."""
        if ticket is None:
            return None
        with self._harmless():
            if not isinstance(error, Exception):
                self.fabric.sync.release(ticket)
            elif (found := self.fabric.sync.stale(ticket)) is not None:
                return read_documents(found.entry.payload)
        return None
