"""Prompty: a ``.prompty`` file, of version 2 or before, or a folder of them.

``${env:...}`` and ``${file:...}`` stay as they are written, and connections are not read: both may
hold secrets, and what is published is read by everybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cache_fabric.nexus.given import Given
from cache_fabric.nexus.located_yaml import Value
from cache_fabric.nexus.manifest import Manifest, ManifestContext, Tool
from cache_fabric.nexus.placeholders import handlebars_names, jinja_names, mustache_names
from cache_fabric.nexus.readers._agent_words import tool_context
from cache_fabric.nexus.readers._prompt_files import (
    Part,
    Prompt,
    PromptFile,
    has_prompts,
    prompt_contexts,
    read_prompts,
)
from cache_fabric.nexus.readers._prompty_schema import entries, schema_of
from cache_fabric.template import variables

__all__ = ["fits", "read"]

_SUFFIX = ".prompty"
_ROLE = re.compile(
    r"\s*#?\s*(system|user|assistant|developer)(\[\s*\w+\s*=[^\]\n]*\])?\s*:\s*", re.IGNORECASE
)
_BLOCK = re.compile(r"\{%[-+]?\s*(end)?(?:if|for|with|macro|call|filter|raw)\b|\{\{([#^]|/)")
_NAMES = {"jinja2": jinja_names, "mustache": mustache_names, "handlebars": handlebars_names}


def fits(given: Given) -> bool:
    """Whether it is a ``.prompty`` file, or a folder that has one."""
    return has_prompts(given, _SUFFIX)


def read(given: Given) -> Manifest:
    """Read a prompt, or every prompt of a folder; raises `ManifestError`."""
    return read_prompts(given, "prompty", _SUFFIX, _read_one)


def _read_one(file: PromptFile) -> Prompt:
    name = file.said("name") or file.name
    tools = list(_tools(file.head))
    contexts = _contexts(file, name, tools)
    return Prompt(name, [*contexts, *map(tool_context, tools)], tools)


def _contexts(file: PromptFile, name: str, defined: list[Tool]) -> Iterator[ManifestContext]:
    template = _template(file.head)
    said = {key: file.head.find(key) for key in ("inputs", "outputs")}
    extra = {
        "template": template,
        "description": file.said("description"),
        "model": _model(file.head),
        "tools": [tool.name for tool in defined],
        **{key: schema_of(each) for key, each in said.items() if each and not each.is_text},
    }
    names = _NAMES.get(template, variables)
    return prompt_contexts(file, name, list(_parts(file.body)), names, extra)


def _template(head: Value) -> str:
    """Return the name of the template language, from ``template: {format: {kind: mustache}}``
    or any shorter form of it."""
    said = head.find("template")
    for key in ("format", "kind"):
        if said is not None and said.is_mapping:
            said = said.find(key) or said.find("type")
    return "jinja2" if said is None else said.as_text()


def _model(head: Value) -> str | None:
    model = head.find("model")
    if model is None or model.is_text:
        return None if model is None else model.as_text()
    return model.text_or("id")


def _parts(body: str) -> Iterator[Part]:
    """Yield what each role says; a body begins as the system's."""
    role, begun = "system", 0
    lines = body.split("\n")
    for number, line in enumerate([*lines, None]):
        mark = None if line is None else _ROLE.fullmatch(line)
        if line is not None and mark is None:
            continue
        text = "\n".join(lines[begun:number]).strip("\n")
        if text.strip():
            ends = [bool(end or slash == "/") for end, slash in _BLOCK.findall(text)]
            skipped = next(at for at, each in enumerate(lines[begun:number]) if each)
            yield Part(role, text, begun + skipped, 2 * sum(ends) == len(ends))
        if mark is not None:
            role, begun = mark[1].lower(), number + 1


def _tools(head: Value) -> Iterator[Tool]:
    """Yield the tools of the front matter, and those that earlier versions have in the model."""
    places = [head.find("tools")]
    model = head.find("model")
    if model is not None and model.is_mapping:
        settings = [model.find(key) for key in ("parameters", "options")]
        places += [each.find("tools") for each in settings if each is not None and each.is_mapping]
    for place in places:
        if place is not None and not place.is_text:  # text is ``${file:...}``
            for name, value in _named(place):
                yield _tool(name, value)


def _named(tools: Value) -> Iterator[tuple[str, Value]]:
    """Yield name and definition; that of OpenAI's form stands under ``function``."""
    if tools.is_mapping:
        yield from entries(tools)
        return
    for each in tools.each():
        function = each.find("function")
        yield (function or each).text("name"), function or each


def _tool(name: str, value: Value) -> Tool:
    if not value.is_mapping:  # the short form of a tool says its kind only
        return Tool(
            name=name, key=f"tool:{name}:definition", protocol=value.as_text(), place=value.place
        )
    parameters = value.find("parameters")
    return Tool(
        name=name,
        key=f"tool:{name}:definition",
        description=value.text_or("description") or "",
        protocol=value.text_or("kind") or value.text_or("type") or "function",
        input_schema=None if parameters is None else schema_of(parameters),
        place=value.place,
    )
