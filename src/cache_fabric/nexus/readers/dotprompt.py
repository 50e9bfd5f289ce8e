"""Dotprompt: a ``.prompt`` file with front matter and a Handlebars body, or a folder of them.

LiteLLM's dialect is read as well: its bodies are Jinja, and its roles are found only once a body is
rendered, so they are no parts of it. ``config`` may hold the key of a provider: nothing of it is
published. The file of a partial keeps its underscore: ``prompt:_head`` for ``{{> head}}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from cache_fabric.nexus.given import Given
from cache_fabric.nexus.located_yaml import Value
from cache_fabric.nexus.manifest import Manifest, ManifestContext, Tool
from cache_fabric.nexus.picoschema import json_schema
from cache_fabric.nexus.placeholders import handlebars_names, jinja_names, partial_names
from cache_fabric.nexus.readers._agent_words import tool_context
from cache_fabric.nexus.readers._prompt_files import (
    Part,
    Prompt,
    PromptFile,
    has_prompts,
    prompt_contexts,
    read_prompts,
)

__all__ = ["fits", "read"]

_SUFFIX = ".prompt"
_ROLE = re.compile(r"\{\{~?\s*(?:role\s+[\"'](\w+)[\"'][^{}]*|history\s*~?)\}\}")
_OPENED = re.compile(r"\{\{~?(?:#|\^\s*\w)")
_CLOSED = re.compile(r"\{\{~?/")
_JINJA = re.compile(r"\{%[-+]?\s*\w")


def fits(given: Given) -> bool:
    """Whether it is a ``.prompt`` file, or a folder that has one."""
    return has_prompts(given, _SUFFIX)


def read(given: Given) -> Manifest:
    """Read a prompt, or every prompt of a folder; raises `ManifestError`."""
    return read_prompts(given, "dotprompt", _SUFFIX, _read_one)


def _read_one(file: PromptFile) -> Prompt:
    name = _name(file)
    tools = [_tool(each) for each in _defined(file.head)]
    contexts = _contexts(file, name, tools)
    return Prompt(name, [*contexts, *map(tool_context, tools)], tools)


def _name(file: PromptFile) -> str:
    """Return name and variant, ``greet.formal``: as the front matter has them, else the file."""
    by_file = PurePath(file.name).name.partition(".")[2]
    name = file.said("name") or file.name.removesuffix(f".{by_file}")
    variant = file.said("variant") or by_file
    return name if not variant or name.endswith(f".{variant}") else f"{name}.{variant}"


def _contexts(file: PromptFile, name: str, defined: list[Tool]) -> Iterator[ManifestContext]:
    is_jinja = _JINJA.search(file.body) is not None
    named = [each.as_text() for each in file.head.each("tools") if each.is_text]
    extra = {
        "template": "jinja2" if is_jinja else "handlebars",
        "description": file.said("description"),
        "model": file.said("model"),
        "inputs": _schema(file.head, "input"),
        "outputs": _schema(file.head, "output"),
        "tools": [*named, *(tool.name for tool in defined)],
        "partials": [] if is_jinja else list(partial_names(file.body)),
    }
    is_partial = PurePath(file.name).name.startswith("_")
    parts = [] if is_jinja or is_partial else list(_parts(file.body))
    names = jinja_names if is_jinja else handlebars_names
    return prompt_contexts(file, name, parts, names, extra)


def _parts(body: str) -> Iterator[Part]:
    """Yield what each role says; a body begins as the user's, and history ends in the model's."""
    role, start = "user", 0
    for mark in [*_ROLE.finditer(body), None]:
        text = body[start : mark.start() if mark else len(body)]
        if text.strip():
            is_whole = len(_OPENED.findall(text)) == len(_CLOSED.findall(text))
            yield Part(role, text, body.count("\n", 0, start), is_whole)
        if mark:
            role, start = mark[1] or "model", mark.end()


def _schema(head: Value, key: str) -> dict[str, Any] | None:
    said = head.find(key)
    schema = said.find("schema") if said is not None else None
    return None if schema is None else json_schema(schema)


def _defined(head: Value) -> list[Value]:
    return [each for key in ("tools", "toolDefs") for each in head.each(key) if not each.is_text]


def _tool(value: Value) -> Tool:
    name = value.text("name")
    schemas = [value.find(key) for key in ("inputSchema", "outputSchema")]
    inputs, outputs = [None if each is None else json_schema(each) for each in schemas]
    return Tool(
        name=name,
        key=f"tool:{name}:definition",
        description=value.text_or("description") or "",
        input_schema=inputs,
        output_schema=outputs,
        place=value.place,
    )
