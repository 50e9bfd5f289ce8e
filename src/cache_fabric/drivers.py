"""The one table of drivers: scheme to the name of what makes it, imported on use.

A maker takes ``(url, namespace)``, that of an embedder what follows the colon of its name. Third
parties add theirs by entry points in the groups ``cache_fabric.stores``, ``cache_fabric.indexes``
and ``cache_fabric.embedders``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cache_fabric.embedders.base import Embedder
from cache_fabric.errors import ConfigurationError

if TYPE_CHECKING:
    from cache_fabric.indexes.base import VectorIndex
    from cache_fabric.stores.base import Store

__all__ = ["RESIDENT", "make_embedder", "make_index", "make_store", "place_index", "scheme_of"]

_BEHIND_A_FABRIC = ("fabric+http", "fabric+https")  # that fabric holds hot partitions itself
STORES = {
    "memory": "cache_fabric.stores.memory:MemoryStore.from_url",
    "sqlite": "cache_fabric.stores.sqlite:SqliteStore.from_url",
    **dict.fromkeys(
        (
            "redis",
            "rediss",
            "redis+sentinel",
            "rediss+sentinel",
            "redis+cluster",
            "rediss+cluster",
            "embedded",
        ),
        "cache_fabric.stores.redis:RedisStore.from_url",
    ),
    **dict.fromkeys(_BEHIND_A_FABRIC, "cache_fabric.stores.http:HttpStore.from_url"),
}
INDEXES = {
    "memory": "cache_fabric.indexes.memory:MemoryIndex.from_url",
    **dict.fromkeys(
        ("chroma", "chroma+http", "chroma+https"),
        "cache_fabric.indexes.chroma:ChromaIndex.from_url",
    ),
    **dict.fromkeys(
        ("qdrant", "qdrant+http", "qdrant+https", "http", "https"),
        "cache_fabric.indexes.qdrant:QdrantIndex.from_url",
    ),
    "pinecone": "cache_fabric.indexes.pinecone:PineconeIndex.from_url",
    **dict.fromkeys(_BEHIND_A_FABRIC, "cache_fabric.indexes.http:HttpIndex.from_url"),
}
RESIDENT = "resident"  # not a driver: what is made of the store, see `place_index`
_EMBEDDED = frozenset({"chroma", "qdrant"})
_ON_SERVERS = frozenset(INDEXES) - _EMBEDDED - {"memory", *_BEHIND_A_FABRIC}
_VECTORS = "\x00vectors"  # no namespace of a user holds what cannot be printed
EMBEDDERS = {
    "wordllama": "cache_fabric.embedders.wordllama:WordllamaEmbedder",
    "onnx": "cache_fabric.embedders.onnx:OnnxEmbedder",
    "litellm": "cache_fabric.embedders.litellm:LiteLLMEmbedder",
}
_NAMED_AFTER = {"onnx": "onnx:/folder", "litellm": "litellm:model"}


def make_store(url: str, namespace: str) -> Store:
    """Return the store that a URL names; connects nothing."""
    store: Store = _maker("store", scheme_of(url), STORES)(url, namespace)
    return store


def make_index(url: str, namespace: str) -> VectorIndex:
    """Return the index that a URL names; connects nothing."""
    index: VectorIndex = _maker("index", scheme_of(url), INDEXES)(url, namespace)
    return index


def place_index(url: str, namespace: str, store: str | None) -> VectorIndex:
    """Return the index of a URL, its hot partitions in this process; connects nothing.

    ``resident`` keeps the vectors beside the store. The index of a server changes by what other
    processes write, so it is resident only where these share a store whose log tells of it.

    Args:
        url: ``resident``, or what `make_index` takes.
        namespace: Of the fabric.
        store: URL of the fabric's store, ``None`` when that is an object.
    """
    from cache_fabric.indexes._vector_log import VectorLog
    from cache_fabric.indexes.resident import ResidentIndex
    from cache_fabric.indexes.stored import StoredIndex

    def beside() -> Store:
        assert store is not None
        return make_store(store, namespace + _VECTORS)

    scheme = scheme_of(url)
    if scheme == RESIDENT:
        if store is None:
            raise ConfigurationError(
                "index: 'resident' keeps its vectors beside the store, so the store must be named "
                "by a URL; with a store object pass index=StoredIndex(...)"
            )
        return StoredIndex(beside)
    index = make_index(url, namespace)
    if scheme in _ON_SERVERS and store is not None:
        return ResidentIndex(index, log=VectorLog(beside))
    return ResidentIndex(index) if scheme in _EMBEDDED else index


def make_embedder(spec: Any) -> Embedder:
    """Return the embedder of a name, a LangChain ``Embeddings``, a callable, or one that is ready.

    Raises:
        ConfigurationError: None of these; the message lists the choices.
    """
    if isinstance(spec, str):
        name, _, rest = spec.partition(":")
        maker = _maker("embedder", name, EMBEDDERS)
        if name in EMBEDDERS and bool(rest) != (name in _NAMED_AFTER):
            raise ConfigurationError(f"embedder: expected {_NAMED_AFTER.get(name, name)!r}")
        made: Embedder = maker(rest) if rest else maker()
        return made
    if isinstance(spec, Embedder):
        return spec
    if hasattr(spec, "embed_documents"):
        from cache_fabric.embedders.langchain import LangChainEmbedder

        return LangChainEmbedder(spec)
    if callable(spec):
        from cache_fabric.embedders.callable import CallableEmbedder

        return CallableEmbedder(spec)
    raise ConfigurationError(
        f"embedder: expected a name ({', '.join(EMBEDDERS)}), LangChain Embeddings or a callable, "
        f"got {type(spec).__name__}"
    )


def scheme_of(url: str) -> str:
    """Return what stands before ``://``, or the whole of a bare name."""
    return url.partition("://")[0]


def _maker(kind: str, name: str, table: Mapping[str, str]) -> Callable[..., Any]:
    target = table.get(name)
    if target is None:
        from importlib.metadata import entry_points  # 40 ms that most programs never need

        group = f"cache_fabric.{kind}es" if kind == "index" else f"cache_fabric.{kind}s"
        found = {point.name: point for point in entry_points(group=group)}
        if name in found:
            loaded: Callable[..., Any] = found[name].load()
            return loaded
        words = [RESIDENT] if kind == "index" else []
        choices = ", ".join(sorted([*table, *found, *words]))
        raise ConfigurationError(f"{kind}: unknown {name!r}, expected one of {choices}")
    module, _, path = target.partition(":")
    maker: Any = import_module(module)
    for attribute in path.split("."):
        maker = getattr(maker, attribute)
    made: Callable[..., Any] = maker
    return made
