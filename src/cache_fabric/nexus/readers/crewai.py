"""CrewAI's ``agents.yaml`` and ``tasks.yaml``: one of them, or the folder ``config/`` with both.

Texts keep the line breaks that YAML gives them, as CrewAI itself sends them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cache_fabric.errors import ManifestError
from cache_fabric.nexus.given import Given
from cache_fabric.nexus.located_yaml import Value, load
from cache_fabric.nexus.manifest import Manifest, ManifestContext
from cache_fabric.nexus.placeholders import crewai_names
from cache_fabric.nexus.readers._agent_words import said
from cache_fabric.nexus.source import Source

__all__ = ["fits", "read"]

_CONFIG = "config"
_SUFFIXES = (".yaml", ".yml")
_TEXTS: dict[str, tuple[str, ...]] = {
    "agent": (
        *("role", "goal", "backstory"),
        *("system_template", "prompt_template", "response_template"),
    ),
    "task": ("description", "expected_output", "guardrail"),
}
_TELLING = {"agent": {"role", "goal"}, "task": {"description", "expected_output"}}
_ABOUT = {"agent": ("llm", "tools"), "task": ("agent", "context", "tools")}


def fits(given: Given) -> bool:
    """Whether it is a folder with one of the files, or has agents or tasks by its keys."""
    if given.is_folder:
        return any(_kind(load(Source.of_file(file))) for file in _files(given).values())
    return given.mapping is not None and _kind(given.mapping) is not None


def read(given: Given) -> Manifest:
    """Read agents and tasks; raises `ManifestError`."""
    contexts: list[ManifestContext] = []
    if given.is_folder:
        files = _files(given)
        if not files:
            expected = f"expected agents.yaml or tasks.yaml, here or in {_CONFIG}/"
            raise ManifestError(expected, file=given.file)
        for kind, file in files.items():
            contexts += _contexts(kind, load(Source.of_file(file)))
    else:
        root = given.document
        contexts += _contexts(_kind_by_name(given) or _kind(root) or "agent", root)
    return Manifest(
        format="crewai", name=given.named(_crew(given)), contexts=tuple(contexts), file=given.file
    )


def _files(given: Given) -> dict[str, Path]:
    """Return the file of each kind that is there."""
    folder = given.path or Path()
    found: dict[str, Path] = {}
    for place in (folder / _CONFIG, folder):
        for kind in _TEXTS:
            files = [place / f"{kind}s{suffix}" for suffix in _SUFFIXES]
            for file in filter(Path.is_file, files):
                found.setdefault(kind, file)
    return found


def _crew(given: Given) -> str | None:
    """Return the name of the crew: all of them call their folder ``config`` and files alike."""
    if given.path is None:
        return None
    path = given.path.resolve()
    folder = path if given.is_folder else path.parent
    folder = folder.parent if folder.name == _CONFIG else folder
    return folder.name if given.is_folder else f"{folder.name}/{path.stem}"


def _kind_by_name(given: Given) -> str | None:
    stem = Path(given.file).stem if given.file else ""
    return stem.removesuffix("s") if stem in {f"{kind}s" for kind in _TEXTS} else None


def _kind(root: Value) -> str | None:
    """Return what the entries of a mapping are, if they are one of ours."""
    entries = [value for _, value in root.items()] if root.is_mapping else []
    if not all(each.is_mapping for each in entries):
        return None
    keys = [{key for key, _ in each.items()} for each in entries]
    found = (kind for kind, telling in _TELLING.items() if any(telling <= each for each in keys))
    return next(found, None)


def _contexts(kind: str, root: Value) -> Iterator[ManifestContext]:
    if not root.is_mapping:
        raise root.error(f"expected a mapping of names to {kind}s")
    for name, value in root.items():
        about = dict(_about(value, _ABOUT[kind]))
        for field in _TEXTS[kind]:
            found = said(value, field)
            if found is not None:
                text = found.as_text()
                yield ManifestContext(
                    key=f"{kind}:{name}:{field}",
                    value=text,
                    kind="prompt",
                    variables=crewai_names(text),
                    place=found.place,
                    extra={kind: name, "field": field, **about},
                )


def _about(value: Value, keys: tuple[str, ...]) -> Iterator[tuple[str, str | list[str]]]:
    """Yield names that are said under these keys; an ``llm`` of many parts may hold secrets."""
    for key in keys:
        found = value.find(key)
        if found is not None and found.is_text:
            yield key, found.as_text()
        elif found is not None and found.is_list and all(each.is_text for each in found.each()):
            yield key, [each.as_text() for each in found.each()]
