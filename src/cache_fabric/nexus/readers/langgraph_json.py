"""``langgraph.json``: which graphs there are. Its texts are in Python, out of our reach."""

from __future__ import annotations

from cache_fabric.nexus.given import Given
from cache_fabric.nexus.located_yaml import Value
from cache_fabric.nexus.manifest import Manifest, ManifestContext

__all__ = ["fits", "read"]


def fits(given: Given) -> bool:
    """Whether it maps names of graphs to ``path:variable``."""
    graphs = given.mapping.find("graphs") if given.mapping else None
    if graphs is None or not graphs.is_mapping:
        return False
    found = [value for _, value in graphs.items()]
    return bool(found) and all(each.is_text or each.is_mapping for each in found)


def read(given: Given) -> Manifest:
    """Read the names of the graphs; environment, stores and secrets are not looked at.

    Raises:
        ManifestError: A graph without ``path:variable``.
    """
    graphs = given.document.need("graphs")
    folder = given.path.resolve().parent.name if given.path else None
    return Manifest(
        format="langgraph",
        name=given.named(folder),
        contexts=tuple(_graph(name, value) for name, value in graphs.items()),
        file=given.file,
    )


def _graph(name: str, value: Value) -> ManifestContext:
    path = value.need("path") if value.is_mapping else value
    if not all(path.as_text().rpartition(":")):
        raise path.error("expected path:variable")
    about = {"name": name, "path": path.as_text()}
    if value.is_mapping and (description := value.text_or("description")):
        about["description"] = description
    return ManifestContext(
        key=f"graph:{name}:metadata",
        value=about,
        kind="graph_metadata",
        graph=name,
        place=value.place,
        extra={"graph_name": name},
    )
