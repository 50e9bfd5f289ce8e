"""What a proxy's operator says of the fabric: in the environment, or in a file of YAML.

The file may be the proxy's own: only its ``cache_fabric:`` is read. It takes the options of
`create_cache_fabric` that plain data can say, and ``backend``, ``max_error`` or ``similarity``,
``secret``, ``limits`` (fields of `FabricConfig`), ``tenant`` and ``track``. A value
``os.environ/NAME`` is read from the environment, as LiteLLM does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from cache_fabric.config import FabricConfig
from cache_fabric.errors import ConfigurationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.factory import create_cache_fabric, resolve_fabric_from_env
from cache_fabric.litellm_proxy._tenants import ProxyTenants
from cache_fabric.policy.base import Policy
from cache_fabric.policy.threshold import Threshold
from cache_fabric.policy.verified import Verified

__all__ = ["ProxySettings", "read_settings"]

_SECTION = "cache_fabric"
_FILE = "CACHE_FABRIC_PROXY_CONFIG"
_TENANT = "CACHE_FABRIC_PROXY_TENANT"
_TRACK = "CACHE_FABRIC_PROXY_TRACK"
_FROM_ENVIRONMENT = "os.environ/"
_SWITCH = {"true": True, "false": False}
_LIMITS = frozenset(field.name for field in fields(FabricConfig)) - {"namespace", "secret", "ttl"}
_PLAIN = (str, int, float, bool)


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """What was said.

    Attributes:
        make_fabric: Makes the fabric; connects nothing.
        tenant: The rule that tells tenants apart.
        track: Whether each call becomes an execution.
    """

    make_fabric: Callable[[], CacheFabric]
    tenant: ProxyTenants
    track: bool


def read_settings(environ: Mapping[str, str]) -> ProxySettings:
    """Return the settings: of the file that ``CACHE_FABRIC_PROXY_CONFIG`` names, else of `environ`.

    The environment takes what `resolve_fabric_from_env` takes, ``CACHE_FABRIC_PROXY_TENANT``
    (parts joined by commas) and ``CACHE_FABRIC_PROXY_TRACK`` (``true`` or ``false``).

    Raises:
        ConfigurationError: A name is unknown or a value cannot be; the message names it.
    """
    if environ.get(_FILE):
        return _of_file(Path(environ[_FILE]), environ)
    parts = tuple(part.strip() for part in environ.get(_TENANT, "team").split(","))
    said = environ.get(_TRACK, "true").lower()
    if said not in _SWITCH:
        raise ConfigurationError(f"{_TRACK}: expected true or false, got {said!r}")
    return ProxySettings(
        lambda: resolve_fabric_from_env(environ), ProxyTenants(parts), _SWITCH[said]
    )


def _of_file(path: Path, environ: Mapping[str, str]) -> ProxySettings:
    section = _resolved(_section(path), environ, _SECTION)
    tenant = section.pop("tenant", "team")
    track = section.pop("track", True)
    if not isinstance(track, bool):
        raise ConfigurationError(f"{_SECTION}.track: expected true or false, got {track!r}")
    parts = (tenant,) if isinstance(tenant, str) else tenant
    if not isinstance(parts, list | tuple):
        raise ConfigurationError(f"{_SECTION}.tenant: expected a name or a list, got {tenant!r}")
    backend = section.pop("backend", "local")
    options = _options(section)
    return ProxySettings(
        lambda: create_cache_fabric(str(backend), **options), ProxyTenants(tuple(parts)), track
    )


def _section(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"{_FILE}: {path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{_FILE}: {path} is not YAML: {error}") from error
    section = document.get(_SECTION) if isinstance(document, dict) else None
    if not isinstance(section, dict):
        raise ConfigurationError(f"{_FILE}: {path} has no mapping {_SECTION}:")
    return section


def _resolved(value: Any, environ: Mapping[str, str], path: str) -> Any:
    if isinstance(value, dict):
        return {str(k): _resolved(item, environ, f"{path}.{k}") for k, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, environ, f"{path}[{at}]") for at, item in enumerate(value)]
    if isinstance(value, str) and value.startswith(_FROM_ENVIRONMENT):
        name = value.removeprefix(_FROM_ENVIRONMENT)
        if name not in environ:
            raise ConfigurationError(f"{path}: the environment has no {name}")
        return environ[name]
    if value is not None and not isinstance(value, _PLAIN):
        raise ConfigurationError(f"{path}: expected text or a number, got {value!r}")
    return value


def _options(section: dict[str, Any]) -> dict[str, Any]:
    """Return the options of `create_cache_fabric`, which says what is unknown among them."""
    limits, secret = section.pop("limits", None) or {}, section.pop("secret", None)
    unknown = sorted(set(limits) - _LIMITS) if isinstance(limits, dict) else [limits]
    if unknown:
        raise ConfigurationError(
            f"{_SECTION}.limits: unknown {unknown[0]!r}, expected {', '.join(sorted(_LIMITS))}"
        )
    if "repeatable_tools" in limits:
        limits["repeatable_tools"] = frozenset(limits["repeatable_tools"])
    if secret is not None:
        limits["secret"] = str(secret).encode()
    policy = _policy(section)
    return {**section, **policy, "config": FabricConfig(**limits)}


def _policy(section: dict[str, Any]) -> dict[str, Policy]:
    """Take out what says which policy decides."""
    max_error, similarity = section.pop("max_error", None), section.pop("similarity", None)
    if max_error is not None and similarity is not None:
        raise ConfigurationError(f"{_SECTION}: expected max_error or similarity, not both")
    if max_error is not None:
        return {"policy": Verified(max_error=_number(max_error, "max_error"))}
    if similarity is not None:
        return {"policy": Threshold(_number(similarity, "similarity"))}
    return {}


def _number(value: Any, name: str) -> float:
    try:
        return float(value)  # what the environment says is text
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{_SECTION}.{name}: expected a number, got {value!r}") from error
