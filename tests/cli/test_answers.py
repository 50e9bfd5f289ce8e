"""``cache-fabric answers`` on a folder of the test."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cache_fabric import CacheOptions, CacheRequest, FabricConfig, create_cache_fabric
from cache_fabric.cli.app import app
from cli.conftest import PLAIN

Run = Callable[..., Result]


def request(question: str, **more: Any) -> CacheRequest:
    messages = [{"role": "user", "content": question}]
    return CacheRequest(model="gpt-4o-mini", messages=messages, **more)


@pytest.fixture
def answers(folder: Path) -> Run:
    """Run ``cache-fabric answers ...`` on a folder with three answers."""
    shop = CacheOptions(tags=("shop",), ttl=3600)
    with create_cache_fabric("local", path=folder, index="memory").sync as fabric:
        fabric.get_or_call(request("Hello?"), lambda: "Hello.")
        fabric.get_or_call(request("Open?", options=shop), lambda: "From nine.\x1b[2J")
        fabric.get_or_call(request("Where?", options=shop, tenant="acme"), lambda: "In Bern.")

    def invoke(*args: str) -> Result:
        words = ["answers", *args[:1], "--fabric", str(folder), *args[1:]]
        result = CliRunner().invoke(app, words, env=PLAIN)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return invoke


def shown(answers: Run, *args: str) -> Any:
    result = answers(*args, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


def test_ls_shows_the_newest_first_and_filters(answers: Run) -> None:
    assert [a["question"] for a in shown(answers, "ls")] == ["Where?", "Open?", "Hello?"]
    assert [a["question"] for a in shown(answers, "ls", "--tag", "shop", "--limit", "1")] == [
        "Where?"
    ]
    assert shown(answers, "ls", "--tenant", "acme")[0]["tags"] == ["shop"]
    table = answers("ls").stdout
    assert "Open?" in table
    assert "gpt-4o-mini" in table


def test_show_prints_the_text_and_everything_as_json(answers: Run) -> None:
    entry = shown(answers, "ls", "--tenant", "acme")[0]
    assert answers("show", entry["id"]).stdout.strip() == "In Bern."
    assert shown(answers, "show", entry["id"])["payload"] == "In Bern."


def test_retire_and_restore_are_each_others_undoing(answers: Run) -> None:
    entry = shown(answers, "ls", "--tenant", "acme")[0]
    retired = answers("retire", entry["id"], "--why", "old\x1b[2J hours", "--by", "olga")
    assert retired.stdout == f"{entry['id']} quarantined: old\\x1b[2J hours\n"
    hidden = answers("show", entry["id"])
    assert (hidden.exit_code, "is quarantined" in hidden.stderr) == (1, True)
    assert len(shown(answers, "ls")) == 2
    assert [a["id"] for a in shown(answers, "ls", "--state", "quarantined")] == [entry["id"]]
    done = shown(answers, "restore", entry["id"], "--why", "new hours", "--by", "otto")
    assert done == {"entry_id": entry["id"], "action": "restored", "reason": "new hours"}
    assert shown(answers, "ls", "--tenant", "acme") == [entry]
    told = shown(answers, "explain", entry["id"])
    assert told["state"] == "active"
    assert [(one["what"], one["by"]) for one in told["history"]][1:] == [
        ("quarantined", "olga"),
        ("restored", "otto"),
    ]
    assert "new hours" in answers("explain", entry["id"]).stdout


def test_pin_serves_an_answer_or_other_words_for_ever(answers: Run) -> None:
    entry = shown(answers, "ls", "--tag", "shop")[1]
    assert shown(answers, "pin", entry["id"])["action"] == "pinned"
    assert shown(answers, "ls", "--state", "pinned")[0]["expires"] is None
    pinned = shown(answers, "pin", entry["id"], "--answer", "From ten.", "--by", "olga")
    assert [a["text"] for a in shown(answers, "ls", "--state", "pinned")] == ["From ten."]
    assert answers("show", pinned["entry_id"]).stdout.strip() == "From ten."


def test_purge_deletes_one_for_good(answers: Run) -> None:
    entry = shown(answers, "ls", "--tenant", "acme")[0]
    assert answers("purge", "--entry", entry["id"]).stdout == "1 answer deleted\n"
    for words in (
        ("retire", entry["id"]),
        ("show", entry["id"]),
        ("purge", "--entry", entry["id"]),
    ):
        gone = answers(*words)
        assert gone.exit_code == 1
        assert "no answer" in gone.stderr
    assert len(shown(answers, "ls")) == 2


def test_purge_counts_first_and_then_deletes(answers: Run) -> None:
    assert shown(answers, "purge", "--tag", "shop", "--dry-run")["count"] == 2
    assert answers("purge", "--tag", "shop", "--dry-run").stdout == ("2 answers would be deleted\n")
    assert shown(answers, "purge", "--tag", "shop")["count"] == 2
    assert [a["question"] for a in shown(answers, "ls")] == ["Hello?"]


def test_purge_of_nothing_in_particular_is_refused(answers: Run) -> None:
    refused = answers("purge")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "expected at least one of" in refused.stderr
    assert len(shown(answers, "ls")) == 3


def test_an_application_that_runs_hears_of_a_purge(answers: Run, folder: Path) -> None:
    heard = threading.Event()
    patient = FabricConfig(exact_timeout=30, semantic_timeout=30)
    with create_cache_fabric("local", path=folder, config=patient).sync as running:
        asked = request("Hello?")
        assert running.get_or_call(asked, lambda: "new") == "Hello."
        running.on("retired", lambda _event, _retired: heard.set())
        assert answers("purge", "--model", "gpt-4o-mini").exit_code == 0
        assert heard.wait(30)
        assert running.get_or_call(asked, lambda: "new") == "new"


def test_explain_tells_where_an_answer_is_from(answers: Run) -> None:
    entry_id = shown(answers, "ls", "--tenant", "acme")[0]["id"]
    told = shown(answers, "explain", entry_id)
    assert (told["model"], told["tenant"], told["tags"]) == ("gpt-4o-mini", "acme", ["shop"])
    assert (told["text"], told["hits"], told["expired"]) == (None, [], False)
    assert shown(answers, "explain", entry_id, "--texts")["text"] == "In Bern."


def test_explain_is_readable_and_says_that_lookups_live_in_their_process(answers: Run) -> None:
    entry_id = shown(answers, "ls", "--tag", "shop")[1]["id"]
    result = answers("explain", entry_id, "--texts")
    assert result.exit_code == 0
    assert "gpt-4o-mini" in result.stdout
    assert "\x1b[2J" not in result.stdout
    assert "the process that made them" in result.stdout


def test_explain_of_an_unknown_id_says_so(answers: Run) -> None:
    result = answers("explain", "00.11")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "neither a kept answer nor" in result.stderr
