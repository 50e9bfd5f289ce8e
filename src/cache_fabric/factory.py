"""Wiring: a preset, URLs, objects and the seed's names become one fabric."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cache_fabric.config import FabricConfig
from cache_fabric.drivers import RESIDENT, make_embedder, make_store, place_index
from cache_fabric.errors import ConfigurationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.parts import Parts
from cache_fabric.policy.threshold import Threshold
from cache_fabric.policy.verified import Verified
from cache_fabric.policy_options import judged_file, policies
from cache_fabric.pricing import PriceTable

if TYPE_CHECKING:
    from cache_fabric.indexes.base import VectorIndex
    from cache_fabric.instrumentation.events import EventHook
    from cache_fabric.stores.base import Store

__all__ = ["create_cache_fabric", "resolve_fabric_from_env"]

DEFAULT_PATH = ".cache_fabric"
DEFAULT_REDIS = "redis://"  # localhost:6379, and the store says so when nothing answers there
DEFAULT_SERVER = "http://localhost:8090"
DEFAULT_VECTOR = "http://localhost:6333"
_SEED_NAMES = {  # the seed's option: ours
    "prefix": "namespace",
    "collection_name": "namespace",
    "embedding_fn": "embedder",
    "similarity_threshold": "policy",
}


@dataclass(frozen=True, slots=True)
class _Preset:
    """Which store and index a backend name stands for, and the options that it alone takes."""

    places: Callable[[Mapping[str, Any]], tuple[str, str]]
    takes: frozenset[str] = frozenset()
    seed_names: Mapping[str, str] = field(default_factory=dict)


def _local(options: Mapping[str, Any]) -> tuple[str, str]:
    folder = _usable_folder(options.get("path", DEFAULT_PATH))
    return f"sqlite://{folder / 'fabric.db'}", f"chroma://{folder / 'chroma'}"


def _redis(options: Mapping[str, Any]) -> tuple[str, str]:
    return options.get("url") or os.environ.get("REDIS_URL") or DEFAULT_REDIS, RESIDENT


def _vector(options: Mapping[str, Any]) -> tuple[str, str]:
    return "memory", options.get("url") or os.environ.get("VECTOR_URL") or DEFAULT_VECTOR


def _http(options: Mapping[str, Any]) -> tuple[str, str]:
    url = options.get("url") or os.environ.get("CACHE_FABRIC_URL") or DEFAULT_SERVER
    token = options.get("token")
    scheme, _, place = url.partition("://")
    bearer = f":{quote(token, safe='')}@" if token else ""
    return (f"fabric+{scheme}://{bearer}{place}",) * 2


PRESETS = {
    "memory": _Preset(lambda _: ("memory", "memory")),
    "local": _Preset(_local, frozenset({"path"})),
    "redis": _Preset(_redis, frozenset({"url"}), {"redis_url": "url", "vector_db_url": "index"}),
    "http": _Preset(_http, frozenset({"url", "token"})),
    "vector": _Preset(_vector, frozenset({"url"}), {"redis_url": "store", "vector_db_url": "url"}),
}
_OPTIONS = (
    *("store", "index", "embedder", "policy", "shadow", "namespace", "ttl", "config"),
    *("prices", "hooks", "judged_log"),
)


def create_cache_fabric(backend: str = "memory", **options: Any) -> CacheFabric:
    """Return a fabric; nothing connects before its first use or ``open``.

    Args:
        backend: A preset: ``"memory"`` (this process only), ``"local"`` (SQLite and embedded
            Chroma in a folder), ``"redis"`` (shared), ``"http"`` (a server that ``cache-fabric
            serve`` runs) or ``"vector"`` (a vector database; answers in memory, or in ``store=``).
        **options:
            path: Folder of ``local``, default ``.cache_fabric``.
            url: Of ``redis``: ``redis://``, ``rediss://``, ``redis+sentinel://``,
                ``redis+cluster://`` or ``embedded:///folder``; default ``REDIS_URL``, else
                localhost:6379. Of ``http``: of the server; default ``CACHE_FABRIC_URL``, else
                localhost:8090. Of ``vector``: ``http://`` (Qdrant), ``chroma+http://`` or
                ``pinecone://name``; default ``VECTOR_URL``, else Qdrant on localhost:6333.
            token: Of ``http``: the server's; default ``CACHE_FABRIC_API_TOKEN``.
            store: URL (``memory``, ``sqlite:///file.db``, a Redis one) or a `Store` object.
            index: ``memory``, ``resident`` (kept in the store, searched in every process),
                ``chroma:///folder``, ``chroma+http://host:8000``, ``qdrant:///folder``,
                ``qdrant+http://host:6333``, ``pinecone://name``, or a `VectorIndex` object.
            embedder: ``"wordllama"`` (default), ``"onnx:/folder"``, ``"litellm:model"``, a
                LangChain ``Embeddings``, a callable from text to vector, or an `Embedder`.
            policy: What may be served, default ``Verified(max_error=0.01)``. A fabric of ``local``
                that is given neither policy nor shadow takes what ``cache-fabric tune --apply``
                left in its folder: as its shadow, or as its policy in mode ``live``.
            shadow: A policy that decides and learns beside it and serves nothing; what it would
                have done is in ``get_metrics()["shadow"]``.
            namespace: Keeps answers and records apart from those of other namespaces.
            ttl: Seconds an answer may be served.
            config: Every other limit, as a `FabricConfig`.
            prices: A `PriceTable`, or prices that override it by model.
            hooks: Functions that hear every event.
            judged_log: Path of a file for what labels showed, which ``cache-fabric tune`` reads;
                True for ``judged.jsonl`` in the folder of ``local``. At most twice 16 MiB.
            prefix, collection_name, embedding_fn, similarity_threshold, redis_url, vector_db_url:
                The seed's names.

    Raises:
        ConfigurationError: An unknown backend, option or URL scheme, or a path that cannot be
            used; the message names it and the choices.
        MissingExtraError: A driver's package is not installed; the message installs it.
    """
    preset = PRESETS.get(backend)
    if preset is None:
        raise ConfigurationError(
            f"backend: unknown {backend!r}, expected one of {', '.join(PRESETS)}"
        )
    options = _translated(backend, preset, options)
    config = _config(options)
    store, index = preset.places(options)
    folder = Path(options.get("path", DEFAULT_PATH)).expanduser() if backend == "local" else None
    policy, shadow = policies(options, folder)
    store = options.get("store", store)
    if index == RESIDENT and not isinstance(store, str):
        index = "memory"
    index = options.get("index", index)
    embedder = options.get("embedder", "wordllama")
    owned = frozenset(
        name
        for name, spec in (("store", store), ("index", index), ("embedder", embedder))
        if isinstance(spec, str)
    )

    def make_parts() -> Parts:
        return Parts(
            store=_store(store, config.namespace),
            index=_index(index, config.namespace, store),
            embedder=make_embedder(embedder),
            owned=owned,
        )

    return CacheFabric(
        make_parts,
        policy=policy,
        shadow=shadow,
        judged_log=judged_file(options, folder, policy, shadow),
        config=config,
        prices=_prices(options.get("prices")),
        hooks=_hooks(options.get("hooks", ())),
    )


def resolve_fabric_from_env(environ: Mapping[str, str] | None = None) -> CacheFabric:
    """Return the fabric that the environment describes.

    ``CACHE_BACKEND`` names the preset (default ``local``); ``REDIS_URL``, ``VECTOR_URL`` and
    ``CACHE_FABRIC_URL`` where ``redis``, ``vector`` and ``http`` connect. Their options are
    ``CACHE_FABRIC_PATH``, ``_NAMESPACE``, ``_TTL``, ``_SIMILARITY``, ``_EMBEDDER``, ``_SECRET``,
    ``_AGENT``, ``_STORE`` and ``_INDEX``.

    Raises:
        ConfigurationError: An unknown ``CACHE_FABRIC_`` name or a value that cannot be read.
    """
    env = os.environ if environ is None else environ
    options: dict[str, Any] = {}
    for name in sorted(n for n in env if n.startswith("CACHE_FABRIC_")):
        if name.startswith(_OF_OTHERS):
            continue
        reader = _ENVIRONMENT.get(name.removeprefix("CACHE_FABRIC_"))
        if reader is None:
            known = ", ".join(f"CACHE_FABRIC_{known}" for known in _ENVIRONMENT)
            raise ConfigurationError(f"{name}: unknown, expected one of {known}")
        option, read = reader
        try:
            options[option] = read(env[name])
        except ValueError as error:
            raise ConfigurationError(f"{name}: {error}") from error
    kept = {name: options.pop(name) for name in ("secret", "agent") if name in options}
    if kept:
        options["config"] = FabricConfig(**kept)
    backend = env.get("CACHE_BACKEND", "local")
    url = env.get(_URLS.get(backend, ""))
    return create_cache_fabric(backend, **options, **({"url": url} if url else {}))


_URLS = {"redis": "REDIS_URL", "vector": "VECTOR_URL", "http": "CACHE_FABRIC_URL"}
_OF_OTHERS = (
    # Read by `cache_fabric.litellm_proxy`, by ``cache-fabric serve`` and its clients, and above.
    *("CACHE_FABRIC_PROXY_", "CACHE_FABRIC_API_TOKEN", "CACHE_FABRIC_URL"),
    # What Kubernetes tells every pod of a Service that is named cache-fabric.
    *("CACHE_FABRIC_PORT", "CACHE_FABRIC_SERVICE_"),
)
_ENVIRONMENT: dict[str, tuple[str, Callable[[str], Any]]] = {
    "PATH": ("path", str),
    "NAMESPACE": ("namespace", str),
    "TTL": ("ttl", float),
    "SIMILARITY": ("policy", lambda text: Threshold(float(text))),
    "MAX_ERROR": ("policy", lambda text: Verified(max_error=float(text))),
    "EMBEDDER": ("embedder", str),
    "SECRET": ("secret", str.encode),
    "AGENT": ("agent", str),
    "STORE": ("store", str),
    "INDEX": ("index", str),
}


def _translated(backend: str, preset: _Preset, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options under our names; an unknown one is an error."""
    known = {*_OPTIONS, *preset.takes}
    seed_names = {**_SEED_NAMES, **preset.seed_names}
    result: dict[str, Any] = {}
    for name, value in options.items():
        ours = seed_names.get(name, name)
        if ours not in known:
            choices = ", ".join(sorted(known | set(seed_names)))
            raise ConfigurationError(
                f"{name}: unknown option of backend {backend!r}, expected one of {choices}"
            )
        if ours in result:
            raise ConfigurationError(f"{name}: given twice, it is another name of {ours}")
        if value is not None:
            result[ours] = Threshold(value) if name == "similarity_threshold" else value
    return result


def _config(options: Mapping[str, Any]) -> FabricConfig:
    config = options.get("config", FabricConfig())
    if not isinstance(config, FabricConfig):
        raise ConfigurationError(f"config: expected a FabricConfig, got {type(config).__name__}")
    given = {name: options[name] for name in ("namespace", "ttl") if name in options}
    return replace(config, **given)


def _prices(prices: Any) -> PriceTable:
    return prices if isinstance(prices, PriceTable) else PriceTable.load(prices)


def _hooks(hooks: Any) -> Iterable[EventHook]:
    from cache_fabric.instrumentation.hooks import is_hook

    if not all(is_hook(hook) for hook in hooks):
        raise ConfigurationError("hooks: expected functions that take an event")
    return tuple(hooks)


def _store(spec: Any, namespace: str) -> Store:
    return make_store(spec, namespace) if isinstance(spec, str) else spec


def _index(spec: Any, namespace: str, store: Any) -> VectorIndex:
    if isinstance(spec, str):
        return place_index(spec, namespace, store if isinstance(store, str) else None)
    given: VectorIndex = spec
    return given


def _usable_folder(path: Any) -> Path:
    try:
        folder = Path(path).expanduser()
    except TypeError as error:
        raise ConfigurationError(f"path: expected a folder, got {type(path).__name__}") from error
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not there.is_dir():
        raise ConfigurationError(f"path: {there} is a file, expected a folder to keep answers in")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigurationError(f"path: {there} cannot be written to, choose another folder")
    return folder
