"""Validation by ``pyagentspec``, where it is installed; without it the reader's own checks hold."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Any

from cache_fabric.nexus.located_yaml import Value
from cache_fabric.nexus.readers._agent_spec_parts import Components, component_type

__all__ = ["check"]


def check(root: Value, components: Components) -> None:
    """Raise `ManifestError` if the package finds the document broken.

    It judges whole documents of the versions that it knows: not one that refers to components of
    another file or has components of a plugin.
    """
    if find_spec("pyagentspec") is None or root.find("component_type") is None:
        return
    from pyagentspec.component import Component
    from pyagentspec.serialization import AgentSpecDeserializer
    from pyagentspec.versioning import AgentSpecVersionEnum

    said = root.text_or("agentspec_version")
    if said is not None and said not in {version.value for version in AgentSpecVersionEnum}:
        return
    for each in components:
        if each.find("component_plugin_name") is not None:
            return
        if Component.get_class_from_name(component_type(each)) is None:
            raise each.need("component_type").error("expected a component type of Agent Spec")
    if components.elsewhere:
        return
    left_out = {name: _stand_in(name) for name in components.left_out}
    with warnings.catch_warnings(action="ignore"):
        _deserialize(AgentSpecDeserializer(), root, components, left_out)


def _deserialize(package: Any, root: Value, components: Components, known: Any) -> None:
    try:
        _, errors = package.from_partial_dict(root.plain(), components_registry=known)
    except Exception as error:  # noqa: BLE001 - some broken documents make the package stumble
        raise root.error(f"expected valid Agent Spec: {_told(error)}") from None
    for each in errors:
        at = components.found(each.loc, root)
        missing = str(each.loc[-1]) if each.type == "missing" and each.loc else ""
        raise at.error(f"expected valid Agent Spec: {each.msg}", missing)


def _stand_in(name: str) -> Any:
    """Return a value for a field that is left out of every file: headers, or a secret."""
    return {} if name.endswith("headers") else ""


def _told(error: Exception) -> str:
    """Return what an error says; one that is not meant for readers may quote the document."""
    if isinstance(error, ValueError | KeyError) and error.args:
        return str(error.args[0]).partition("\n")[0]
    return f"pyagentspec cannot load it ({type(error).__name__})"
