"""``cache-fabric contexts set`` and ``get``, and what every command refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cache_fabric.cli._context_input import given_value
from cache_fabric.cli._context_views import show_value
from cache_fabric.cli.app import app
from cli.conftest import KEY, Done, Run


def test_set_says_what_was_written(done: Done) -> None:
    assert done("set", KEY, "one") == f"{KEY} version 1 behaviour 1 revision 1\n"
    cosmetic = done("set", KEY, "one!", "--change", "cosmetic")
    assert cosmetic == f"{KEY} version 2 behaviour 1 revision 2\n"


@pytest.mark.parametrize("text", ["", "two\nlines\n", "\r\nÜ\x1b[31m"])
def test_a_text_comes_back_byte_for_byte_through_a_pipe(run: Run, text: str) -> None:
    assert run("set", KEY, "-", given=text.encode()).exit_code == 0
    assert run("get", KEY).stdout_bytes == text.encode()


def test_a_text_on_a_terminal_cannot_steer_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    show_value("one\n\ttwo \x1b[2J\u202e")
    assert capsys.readouterr().out == "one\n\ttwo \\x1b[2J\\u202e\n"


def test_a_value_can_come_from_a_file_or_from_standard_input(done: Done, tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_text("from a file")
    done("set", KEY, "--file", str(file))
    assert done("get", KEY) == "from a file"
    done("set", KEY, given="from a pipe")
    assert done("get", KEY) == "from a pipe"


def test_a_json_value_is_kept_as_data_and_shown_indented(done: Done) -> None:
    done("set", KEY, '{"a": [1, "ü"]}', "--value-json")
    shown = done("get", KEY)
    assert "ü" in shown
    assert "\n" in shown
    assert json.loads(shown) == {"a": [1, "ü"]}


def test_get_as_json_shows_the_whole_entry(done: Done) -> None:
    about = ("--author", "ann", "--message", "why", "--metadata", '{"ticket": 7}')
    done("set", KEY, "one", "--change", "breaking", *about)
    entry = json.loads(done("get", KEY, "--json"))
    assert entry["value"] == "one"
    assert (entry["author"], entry["message"]) == ("ann", "why")
    assert entry["metadata"] == {"ticket": 7}
    assert (entry["version"], entry["change"], entry["scope"]) == (1, "breaking", "global")
    assert entry["timestamp"].endswith("+00:00")


def test_get_reads_a_version_or_a_label(done: Done) -> None:
    done("set", KEY, "one")
    done("set", KEY, "two")
    done("label", KEY, "stable", "1")
    assert done("get", KEY, "--version", "2") == "two"
    assert done("get", KEY, "--label", "stable") == "one"


def test_a_context_with_a_time_to_live_says_so_to_the_store(run: Run, done: Done) -> None:
    done("set", KEY, "soon gone", "--ttl", "0.001")
    assert "no context" in run("get", KEY).stderr


def test_the_narrowest_id_given_decides_the_scope(done: Done, refused: Done) -> None:
    done("set", KEY, "for all")
    done("set", KEY, "for acme", "--tenant", "acme")
    done("set", KEY, "for ann", "--tenant", "acme", "--user", "ann")
    done("set", KEY, "for run 1", "--execution", "1")
    assert done("get", KEY) == "for all"
    assert done("get", KEY, "--tenant", "acme") == "for acme"
    assert done("get", KEY, "--tenant", "acme", "--user", "ann") == "for ann"
    assert done("get", KEY, "--execution", "1") == "for run 1"
    assert done("get", KEY, "--tenant", "acme", "--scope", "global") == "for all"
    assert "user: is required" in refused("get", KEY, "--scope", "user")


@pytest.mark.parametrize(
    ("args", "given", "message"),
    [
        (["text", "--file", "f"], "", "once: as VALUE or with --file, not both"),
        ([], "", "standard input is empty"),
        (["--file", "/not/there"], "", "/not/there cannot be read: No such file"),
        (["{", "--value-json"], "", "value: invalid JSON at line 1 column 2"),
        (["[" * 100_000, "--value-json"], "", "value: invalid JSON"),
        (["NaN", "--value-json"], "", "expected a finite number"),
        (["x", "--metadata", "[1]"], "", "--metadata: expected a JSON object"),
        (["x", "--ttl", "-1"], "", "ttl: expected seconds above 0"),
        (["x", "--if-version", "3"], "", "expected version 3, current is 0"),
        (["-"], b"\xff", "standard input is not UTF-8"),
    ],
)
def test_a_bad_set_is_refused_with_its_reason(
    refused: Done, done: Done, args: list[str], given: str | bytes, message: str
) -> None:
    assert message in refused("set", KEY, *args, given=given)
    assert done("ls", "--json") == "[]\n"


def test_a_terminal_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    with pytest.raises(typer.Exit):
        given_value(None, None, as_json=False)


def test_a_file_that_is_not_text_is_refused(refused: Done, tmp_path: Path) -> None:
    file = tmp_path / "prompt.bin"
    file.write_bytes(b"\xff\xfe")
    assert "is not UTF-8 text" in refused("set", KEY, "--file", str(file))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["get", KEY], f"no context '{KEY}'"),
        (["get", "known", "--version", "9"], "no version 9"),
        (["get", "known", "--label", "x"], "no label 'x', known: none"),
        (["log", KEY], f"no context '{KEY}'"),
        (["diff", "known", "1", "9"], "no version 9"),
        (["label", "known", "x", "9"], "no version 9 to label"),
        (["rollback", "known", "9"], "no version 9 to roll back to"),
        (["delete", KEY], f"no context '{KEY}' to delete"),
        (["edit", KEY], f"no context '{KEY}'"),
        (["ls", "--tenant", ""], "tenant: expected text"),
        (["watch", "--tenant", ""], "tenant: expected text"),
    ],
)
def test_what_is_not_there_ends_with_a_message(
    refused: Done, done: Done, args: list[str], message: str
) -> None:
    done("set", "known", "one")
    assert message in refused(*args)


def test_a_fabric_that_cannot_be_used_ends_with_a_message(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    result = CliRunner().invoke(app, ["contexts", "ls", "--fabric", str(file)])
    assert result.exit_code == 1
    assert "is a file, expected a folder" in result.stderr


def test_a_watch_tells_of_a_store_that_is_none(refused: Done, folder: Path) -> None:
    folder.mkdir()
    (folder / "fabric.db").write_bytes(b"no database" * 1000)
    assert "fabric.db" in refused("watch", "--count", "1")
