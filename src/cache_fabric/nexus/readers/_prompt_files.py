"""What Prompty and Dotprompt have in common: a file is a prompt, a folder is many of them.

A body is published whole; its system part, if there is exactly one, a second time under a key of
its own, byte for byte what a model is sent: answers stand on the context whose text the system
message is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple

from cache_fabric.errors import ManifestError
from cache_fabric.nexus.front_matter import split
from cache_fabric.nexus.given import Given
from cache_fabric.nexus.located_yaml import Value
from cache_fabric.nexus.manifest import Manifest, ManifestContext, Place, Tool
from cache_fabric.nexus.readers._files import files_below
from cache_fabric.nexus.source import Source

__all__ = ["Part", "Prompt", "PromptFile", "has_prompts", "prompt_contexts", "read_prompts"]


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A prompt taken apart.

    Attributes:
        name: What its place calls it: ``greet``, or ``sub/greet`` in a folder.
        head: The front matter.
        body: Without the white space around it.
        place: Of the first line of the body.
    """

    name: str
    head: Value
    body: str
    place: Place

    def said(self, key: str) -> str | None:
        """Return a text of the front matter; what is said in another form is left out."""
        found = self.head.find(key)
        return found.as_text() if found is not None and found.is_text else None


class Prompt(NamedTuple):
    """A prompt that was read: what it is called, what is published of it, and its tools."""

    name: str
    contexts: list[ManifestContext]
    tools: list[Tool]


@dataclass(frozen=True, slots=True)
class Part:
    """What one role says in a body.

    Attributes:
        role: As ``system``.
        text: As it is sent, but for its variables.
        lines: How many lines of the body stand before it.
        is_whole: Whether no block of the template begins or ends in it alone.
    """

    role: str
    text: str
    lines: int
    is_whole: bool


def has_prompts(given: Given, suffix: str) -> bool:
    """Whether it is a prompt by its suffix, or a folder that has one."""
    if given.is_folder and given.path is not None:
        return any(True for _ in files_below(given.path, (suffix,)))
    return given.suffix == suffix


def read_prompts(
    given: Given, form: str, suffix: str, read_one: Callable[[PromptFile], Prompt]
) -> Manifest:
    """Read a prompt, or every prompt of a folder.

    Raises:
        ManifestError: A prompt is broken or has no body, or there is none.
    """
    files = list(_files(given, suffix))
    prompts = [read_one(file) for file in files]
    if not prompts:
        raise ManifestError(f"expected prompts ({suffix})", file=given.file)
    is_one = not given.is_folder
    return Manifest(
        format=form,
        name=given.named(prompts[0].name if is_one else None),
        version=files[0].head.text_or("version") if is_one else None,
        contexts=tuple(context for prompt in prompts for context in prompt.contexts),
        tools={tool.name: tool for prompt in prompts for tool in prompt.tools},
        file=given.file,
    )


def prompt_contexts(
    file: PromptFile,
    name: str,
    parts: Sequence[Part],
    names: Callable[[str], tuple[str, ...]],
    extra: Mapping[str, Any],
) -> Iterator[ManifestContext]:
    """Yield the context of the body, and that of its system part.

    Args:
        file: Where it stands.
        name: What it is called.
        parts: What is in the body, in this order.
        names: Finds the variables of a text.
        extra: What is said of it; empty values are left out.
    """
    is_system = [(part.role, part.text) for part in parts] == [("system", file.body)]
    about = {key: value for key, value in extra.items() if value not in (None, "", [], {}, ())}
    roles = list(dict.fromkeys(part.role for part in parts))
    yield ManifestContext(
        key=f"prompt:{name}",
        value=file.body,
        kind="system_prompt" if is_system else "prompt",
        variables=names(file.body),
        place=file.place,
        extra={"prompt_name": name, "roles": roles, **about},
    )
    system = [part for part in parts if part.role == "system" and part.text.strip()]
    if len(system) == 1 and system[0].is_whole and system[0].text != file.body:
        [part] = system
        line = None if file.place.line is None else file.place.line + part.lines
        yield ManifestContext(
            key=f"prompt:{name}:system",
            value=part.text,
            kind="system_prompt",
            variables=names(part.text),
            place=Place(file=file.place.file, line=line, field="body"),
            extra={"prompt_name": name, "roles": ["system"]},
        )


def _files(given: Given, suffix: str) -> Iterator[PromptFile]:
    if given.is_folder and given.path is not None:
        for file in sorted(files_below(given.path, (suffix,))):
            path = file.relative_to(given.path).as_posix()[: -len(suffix)]
            yield _taken_apart(unicodedata.normalize("NFC", path), Source.of_file(file))
    else:
        name = PurePath(given.file or given.named(None)).name
        yield _taken_apart(name.removesuffix(suffix), given.source)


def _taken_apart(name: str, source: Source) -> PromptFile:
    front = split(source)
    body = front.body.strip()
    if not body:
        raise ManifestError("expected a prompt, the body is empty", file=source.name)
    before = front.body[: len(front.body) - len(front.body.lstrip())].count("\n")
    place = Place(file=source.name, line=front.line + before, field="body")
    return PromptFile(name, front.head, body, place)
