"""What a template asks its caller for, in four template languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.nexus.placeholders import (
    crewai_names,
    handlebars_names,
    jinja_names,
    mustache_names,
    partial_names,
)

_JINJA = [
    ("{{ b }} {{ a.c|default(d) }} {{ b }}", ("b", "a", "d")),
    ("{% for x, y in xs if x.ok %}{{ x }}{{ z }}{{ loop.index }}{% endfor %}", ("xs", "z")),
    ("{% for x in x %}{{ x }}{% endfor %}", ("x",)),
    ("{% set q = p %}{{ q }}", ("p",)),
    ("{% set q %}{{ p }}{% endset %}{{ q }}", ("p",)),
    ("{% if a is defined and b is not none or c == 'd' %}{% elif f %}", ("a", "b", "c", "f")),
    ("{% raw %}{{ no }}{% endraw %}{# {{ no }} #}{{- yes -}}", ("yes",)),
    ("{% macro m(a) %}{{ a }}{% endmacro %}{{ m(x) }}", ("x",)),
    ("{% with a = b, c = f(k=1) %}{{ a }}{{ c }}{% endwith %}", ("b", "f")),
    ("{{ rows[i].name | join(', ') }} {{ 1.5 + n1 }} {{ range(k) }}", ("rows", "i", "n1", "k")),
    ("{% from 'f' import g as h %}{{ h(k) }}", ("k",)),
    ("{% call(u) box(x) %}{{ u }}{% endcall %}", ("box", "x")),
    ("{{ not closed", ()),
]  # fmt: skip


@pytest.mark.parametrize(("text", "names"), _JINJA)
def test_jinja_asks_for_what_it_does_not_bind(text: str, names: tuple[str, ...]) -> None:
    assert jinja_names(text) == names


_NAMES = st.sampled_from(["alpha", "beta", "gamma", "delta", "item"])
_EXPRESSIONS = st.one_of(
    _NAMES,
    st.builds("{}.title".format, _NAMES),
    st.builds("{}|default('none of it')".format, _NAMES),
    st.builds("({} if {} is defined else {})".format, _NAMES, _NAMES, _NAMES),
    st.builds("{}[{}] ~ 1.5".format, _NAMES, _NAMES),
)
_TEMPLATES = st.recursive(
    st.one_of(st.builds("{{{{ {} }}}}".format, _EXPRESSIONS), st.just(" text {x} ")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map("".join),
        st.builds("{{% if {} %}}{}{{% else %}}{}{{% endif %}}".format, _EXPRESSIONS, inner, inner),
        st.builds("{{% for {} in {} -%}} {}{{% endfor %}}".format, _NAMES, _NAMES, inner),
        st.builds("{{% with {} = {} %}}{}{{% endwith %}}".format, _NAMES, _EXPRESSIONS, inner),
    ),
    max_leaves=12,
)


@given(_TEMPLATES)
def test_jinja_itself_finds_the_same_names(text: str) -> None:
    jinja2 = pytest.importorskip("jinja2")
    meta = pytest.importorskip("jinja2.meta")
    assert set(jinja_names(text)) == meta.find_undeclared_variables(
        jinja2.Environment().parse(text)
    )


_HANDLEBARS = [
    ("{{a}} {{b.city}} {{{raw}}} {{~trim~}} {{&also}}", ("a", "b", "raw", "trim", "also")),
    ('{{role "system"}}x{{history}}{{media url=photo}}', ("photo",)),
    ("{{#each xs}}{{n}}{{../t}}{{@index}}{{this.y}}{{else}}{{w}}{{/each}}", ("xs", "t", "w")),
    ("{{#if a}}{{b}}{{else if c}}{{d}}{{else}}{{e}}{{/if}}", ("a", "b", "c", "d", "e")),
    ("{{!-- {{no}} --}}{{! no }}\\{{no}}{{yes}}", ("yes",)),
    ("{{#each xs as |x i|}}{{x.n}}{{i}}{{@root.top}}{{/each}}", ("xs", "top")),
    ("{{json data indent=2}} {{f (g h) 3 true}}", ("data", "h")),
    ("{{#with p}}{{q}}{{#if r}}{{../s}}{{/if}}{{/with}}", ("p", "s")),
    ("{{^none}}x{{/none}}{{#list}}{{it}}{{/list}}", ("none", "list")),
    ("{{> head title=topic}}", ("topic",)),
    ("{{/if}}{{else}}{{u}}{{ not closed", ("u",)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "names"), _HANDLEBARS)
def test_handlebars_asks_for_what_is_no_item_and_no_call(text: str, names: tuple[str, ...]) -> None:
    assert handlebars_names(text) == names


def test_partials_are_named_once_and_not_computed() -> None:
    text = '{{> head}} {{> "sub/foot" year=now}} {{> head}} {{> (choose x)}} {{!-- {{> no}} --}}'
    assert partial_names(text) == ("head", "sub/foot")


def test_mustache_asks_for_variables_and_sections() -> None:
    text = "{{a}} {{{b}}} {{&c}} {{#d}}{{e.f}}{{.}}{{/d}} {{^g}}{{/g}}{{! no }}{{> no}} { {x} }"
    assert mustache_names(text) == ("a", "b", "c", "d", "e", "g")


def test_crewai_allows_a_hyphen_and_leaves_json_alone() -> None:
    assert crewai_names('{topic}, {user-name}, {topic}, {"a": {"b": 1}}') == ("topic", "user-name")


@pytest.mark.parametrize(
    "piece", ["{{", "{{!--", "{% raw %}", '{{ "', "{{ a.", "{{#a ", "{", "{{ \\' "]
)
@pytest.mark.timeout(30)
def test_a_hostile_text_is_read_in_time_that_grows_with_its_length(piece: str) -> None:
    text = piece * (2**19 // len(piece)) + "}}"
    for names in (crewai_names, handlebars_names, jinja_names, mustache_names, partial_names):
        assert len(names(text)) < 3
