"""Names that a template asks its caller for, by template language. Pure, and nothing is rendered.

Each function returns names once, in order of appearance: ``user`` for ``{{ user.name }}``. Names
that the template itself gives a value (loops, ``set``, block parameters) are not among them. Text
that is no valid template yields what can be read of it: whoever renders it will say what is wrong.
"""

from __future__ import annotations

import re

from cache_fabric.nexus._handlebars_names import handlebars_names, partial_names
from cache_fabric.nexus._jinja_names import jinja_names
from cache_fabric.nexus._template_tags import tags

__all__ = [
    "agent_spec_names",
    "crewai_names",
    "handlebars_names",
    "jinja_names",
    "mustache_names",
    "partial_names",
]

_AGENT_SPEC = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_CREWAI = re.compile(r"\{([A-Za-z_][A-Za-z0-9_\-]*)\}")
_MUSTACHE = {"{{!": "}}", "{{>": "}}", "{{/": "}}", "{{=": "=}}", "{{{": "}}}", "{{": "}}"}
_UNNAMED = ("{{!", "{{>", "{{/", "{{=")


def agent_spec_names(text: str) -> tuple[str, ...]:
    """Return the names in ``{{double braces}}``; Agent Spec knows nothing else."""
    return tuple(dict.fromkeys(_AGENT_SPEC.findall(text)))


def crewai_names(text: str) -> tuple[str, ...]:
    """Return the names in ``{braces}``; CrewAI allows a hyphen in them."""
    return tuple(dict.fromkeys(_CREWAI.findall(text)))


def mustache_names(text: str) -> tuple[str, ...]:
    """Return the names of variables and sections; whose a name in a section is, only data tells."""
    named = [content for opening, content in tags(text, _MUSTACHE) if opening not in _UNNAMED]
    names = [content.strip("&#^ \t\n").partition(".")[0] for content in named]
    return tuple(dict.fromkeys(filter(None, names)))
