"""The components of an Agent Spec document, and what their references name."""

from __future__ import annotations

from collections.abc import Iterator

from cache_fabric.nexus.located_yaml import Value

__all__ = ["REFERENCE", "Components", "component_type"]

REFERENCE = "$component_ref"
_REFERENCED = "$referenced_components"
_DATA = ("metadata", "inputs", "outputs")
_WITHOUT_TEXTS = (
    *("llm_config", "llm", "client_config", "client_transport", "connection_config"),
    *("auth", "datastore", "retry_policy"),
)
"""What may stand in another file, as one of each environment: nothing of it is published."""


class Components:
    """All components of a document, each once.

    Args:
        root: The document.

    Attributes:
        left_out: References to fields that no file has, as ``llm.api_key``: they are secrets.
        elsewhere: Ids of components that another file has.

    Raises:
        ManifestError: Two components have one id, or one that may have texts is not there.
    """

    def __init__(self, root: Value) -> None:
        self._by_id: dict[str, Value] = {}
        self._all: list[Value] = []
        references: list[tuple[str, Value]] = []
        self._walk(root, "", references)
        self.left_out: set[str] = set()
        self.elsewhere: set[str] = set()
        for field, value in references:
            name = value.text(REFERENCE)
            if name in self._by_id:
                continue
            if name.endswith(f".{field}"):
                self.left_out.add(name)
            elif field in _WITHOUT_TEXTS:
                self.elsewhere.add(name)
            else:
                expected = f"expected the component {name!r} in {_REFERENCED} of this document"
                raise value.error(expected)

    def __iter__(self) -> Iterator[Value]:
        return iter(self._all)

    def resolved(self, value: Value) -> Value | None:
        """Return a component, or the one that a reference names if it is in this document."""
        if value.find(REFERENCE) is None:
            return value
        return self._by_id.get(value.text(REFERENCE))

    def found(self, path: tuple[str | int, ...], root: Value) -> Value:
        """Return the value at the end of a path, or the last one on it that is there."""
        value = root
        for step in path:
            value = (value.is_mapping and self.resolved(value)) or value
            below = None
            if isinstance(step, str) and value.is_mapping:
                below = value.find(step)
            elif isinstance(step, int) and value.is_list and step < len(value.each()):
                below = value.each()[step]
            if below is None:
                break
            value = below
        return (value.is_mapping and self.resolved(value)) or value

    def _walk(self, value: Value, field: str, references: list[tuple[str, Value]]) -> None:
        if value.is_list:
            for each in value.each():
                self._walk(each, field, references)
            return
        if not value.is_mapping:
            return
        if value.find(REFERENCE) is not None:
            references.append((field, value))
            return
        kind = value.find("component_type")
        if kind is not None and kind.is_text:
            self._all.append(value)
        for key, each in value.items():
            if key == _REFERENCED:
                self._keep(each)
            if key not in _DATA:
                self._walk(each, key, references)

    def _keep(self, components: Value) -> None:
        for name, value in components.items():
            if name in self._by_id:
                raise value.error(f"expected one component of the id {name!r}")
            self._by_id[name] = value


def component_type(value: Value) -> str:
    """Return the type of a component."""
    return value.text("component_type")
