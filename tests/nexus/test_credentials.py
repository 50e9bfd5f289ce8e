"""Credentials in a tool's configuration are not published."""

from __future__ import annotations

import time
from typing import Any

import pytest

from cache_fabric.nexus.credentials import LEFT_OUT, without_credentials
from cache_fabric.nexus.formats import read_manifest
from cache_fabric.nexus.plan import make_plan

KEY = "sk-" + "a1" * 12


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"api_key": "hunter2"}, "config.api_key"),
        ({"apiKey": "hunter2"}, "config.apiKey"),
        ({"headers": {"X-Api-Key": "hunter2"}}, "config.headers.X-Api-Key"),
        ({"headers": {"Authorization": "Bearer hunter2"}}, "config.headers.Authorization"),
        ({"env": {"GITHUB_TOKEN": "hunter2"}}, "config.env.GITHUB_TOKEN"),
        ({"env": {"API_TOKEN": "${API_TOKEN:-hunter2}"}}, "config.env.API_TOKEN"),
        ({"token": 12345}, "config.token"),
        ({"auth": {"type": "${T}", "value": "hunter2"}}, "config.auth.value"),
        ({"credentials": [{"user": "hunter2"}]}, "config.credentials[0].user"),
        ({"url": "https://me:hunter2@host.invalid/"}, "config.url"),
        ({"url": "https://host.invalid/?a=1&api_key=hunter2"}, "config.url"),
        ({"args": ["serve", "--token", "hunter2"]}, "config.args[2]"),
        ({"args": ["serve", "--api-key=hunter2"]}, "config.args[1]"),
        ({"command": f"serve {KEY}"}, "config.command"),
        ({"note": "authorization: Bearer abcdefgh12345"}, "config.note"),
    ],
)
def test_a_credential_is_left_out_and_its_place_told(config: dict[str, Any], place: str) -> None:
    kept, left_out = without_credentials(config, "config")
    assert left_out == (place,)
    assert "hunter2" not in repr(kept)
    assert KEY not in repr(kept)
    assert LEFT_OUT in repr(kept)


@pytest.mark.parametrize(
    "config",
    [
        {"api_key": "${API_KEY}", "headers": {"Authorization": "Bearer ${TOKEN}"}},
        {"headers": {"Authorization": "Basic ${USER}:${PASSWORD}"}},
        {"api_key": "SEARCH_API_KEY", "token": "env:SEARCH_TOKEN", "password": "<yours>"},
        {"max_tokens": 100, "auth": "none", "use_cookie": True, "secret": None, "password": ""},
        {"url": "https://host.invalid:8080/a?b=c@d", "args": ["--port", "80", "--tokenizer=x"]},
        {"url": "https://host.invalid/?key=${KEY}", "command": "task-sk-1 --verbose"},
        {"key": "city", "cache_key": "a", "nested": [{"a": [1, 2.5, "b"]}]},
    ],
)
def test_what_is_no_credential_stays(config: dict[str, Any]) -> None:
    assert without_credentials(config) == (config, ())


@pytest.mark.parametrize("part", ["://:", "eyJaaaaaaaa-", "?a&", "${a", "<", "bearer ", "{{"])
def test_a_long_text_takes_no_square_of_its_length(part: str) -> None:
    begun = time.process_time()
    without_credentials({"a": part * 50_000, "token": part * 50_000})
    assert time.process_time() - begun < 10


def test_a_manifest_is_published_without_its_credentials_and_says_so() -> None:
    tool = {
        "name": "search",
        "config": {"url": "u", "headers": {"Authorization": "Bearer hunter2"}},
    }
    manifest = read_manifest({"name": "shop", "routers": [], "tools": [tool]})
    (change,) = make_plan(manifest, []).changes
    assert change.value["config"] == {"url": "u", "headers": {"Authorization": LEFT_OUT}}
    assert change.context is not None
    assert change.context.extra["left_out"] == ["config.headers.Authorization"]
    assert manifest.tools["search"].config == tool["config"]  # a runtime may need it


def test_no_manifest_that_is_printed_shows_them() -> None:
    tool = {"name": "search", "config": {"token": "hunter2"}}
    assert "hunter2" not in repr(read_manifest({"name": "shop", "routers": [], "tools": [tool]}))
