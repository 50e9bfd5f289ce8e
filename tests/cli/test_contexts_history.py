"""``cache-fabric contexts ls``, ``log``, ``diff``, ``label``, ``rollback`` and ``delete``."""

from __future__ import annotations

import json

from cli.conftest import KEY, Done, Run

HOSTILE = "[red]be[/red] \x1b[2J\x1b]0;owned\x07 \u202eevil"


def test_ls_shows_what_is_current_under_a_prefix(done: Done) -> None:
    done("set", "a:1", "first line\nsecond line")
    done("set", "a:2", "gone")
    done("set", "b:1", "other")
    done("delete", "a:2")
    table = done("ls", "a:")
    assert "first line" in table
    assert "second line" not in table
    assert "a:2" not in table
    assert "b:1" not in table
    assert [entry["key"] for entry in json.loads(done("ls", "--json"))] == ["a:1", "b:1"]


def test_ls_shows_a_tenants_contexts_to_the_tenant_only(done: Done, run: Run) -> None:
    done("set", KEY, "for acme", "--tenant", "acme")
    assert "for acme" in done("ls", "--tenant", "acme")
    assert run("ls").stderr == "No contexts.\n"


def test_stored_text_cannot_style_or_steer_the_terminal(done: Done) -> None:
    done("set", KEY, HOSTILE, "--author", HOSTILE, "--message", HOSTILE)
    done("label", KEY, "[b]x[/b]", "1")
    for shown in (done("ls"), done("log", KEY), done("watch", "--after", "0", "--count", "1")):
        assert "[red]be[/red]" in shown
        assert r"\x1b[2J\x1b]0;owned\x07 \u202eevil" in shown
        assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    assert "[b]x[/b]" in done("ls")


def test_log_shows_tombstones_and_rollbacks(done: Done) -> None:
    done("set", KEY, "one", "--author", "ann", "--message", "start")
    done("set", KEY, "two")
    done("label", KEY, "stable", "2")
    done("rollback", KEY, "1", "--message", "two was worse")
    done("delete", KEY)
    rows = [
        [cell.strip() for cell in line.split("\u2502")[1:-2]]  # all but the time
        for line in done("log", KEY).splitlines()
        if line.startswith("\u2502")
    ]
    assert rows == [
        ["1", "1", "behaviour", "", "ann", "start"],
        ["2", "2", "behaviour", "stable", "", ""],
        ["3", "1", "rollback to 1", "", "", "two was worse"],
        ["4", "1", "deleted", "", "", "two was worse"],
    ]


def test_log_does_not_take_a_cosmetic_change_for_a_rollback(done: Done) -> None:
    for _ in range(3):
        done("set", KEY, "same", "--change", "cosmetic")
    assert "rollback" not in done("log", KEY)


def test_log_as_json_holds_every_version(done: Done) -> None:
    done("set", KEY, "one")
    done("delete", KEY)
    history = json.loads(done("log", KEY, "--json"))
    assert [(e["version"], e["value"], e["deleted"]) for e in history] == [
        (1, "one", False),
        (2, None, True),
    ]


def test_rollback_makes_an_old_version_current(done: Done) -> None:
    done("set", KEY, "one")
    done("set", KEY, "two")
    assert done("rollback", KEY, "1") == f"{KEY} version 3 behaviour 1 revision 3\n"
    assert done("get", KEY) == "one"


def test_a_tenants_context_has_its_own_history(done: Done) -> None:
    acme = ("--tenant", "acme")
    done("set", KEY, "global")
    done("set", KEY, "one", *acme)
    done("set", KEY, "two", *acme)
    assert len(json.loads(done("log", KEY, "--json", *acme))) == 2
    assert "+two" in done("diff", KEY, "1", "2", *acme)
    done("label", KEY, "stable", "1", *acme)
    assert done("get", KEY, "--label", "stable", *acme) == "one"
    done("rollback", KEY, "1", *acme)
    assert done("get", KEY, *acme) == "one"
    done("delete", KEY, *acme)
    assert done("get", KEY, *acme) == "global"


def test_diff_is_a_patch_in_a_pipe_and_coloured_on_a_terminal(done: Done) -> None:
    done("set", KEY, "same\none")
    done("set", KEY, "same\ntwo [b]x[/b]\x1b[2J")
    patch = done("diff", KEY, "1", "2").splitlines()
    assert patch[:2] == [f"--- {KEY}@1", f"+++ {KEY}@2"]
    assert patch[-3:] == [" same", "-one", "+two [b]x[/b]\x1b[2J"]
    coloured = done("diff", KEY, "1", "2", FORCE_COLOR="1", TERM="xterm-256color")
    assert "\x1b[31m-one\x1b[0m" in coloured
    assert "\x1b[32m+two [b]x[/b]\\x1b[2J\x1b[0m" in coloured
    assert "+two" in json.loads(done("diff", KEY, "1", "2", "--json"))["diff"]


def test_diff_of_the_same_text_says_so(run: Run, done: Done) -> None:
    done("set", KEY, "one")
    assert run("diff", KEY, "1", "1").stderr == "No line differs between versions 1 and 1.\n"


def test_a_protected_label_moves_only_by_force_or_from_its_version(
    done: Done, refused: Done
) -> None:
    done("set", KEY, "one")
    done("set", KEY, "two")
    assert done("label", KEY, "production", "1") == f"{KEY}@production version 1 revision 3\n"
    assert "protected" in refused("label", KEY, "production", "2")
    assert "current is 1" in refused("label", KEY, "production", "2", "--if-version", "2")
    done("label", KEY, "production", "2", "--if-version", "1")
    done("label", KEY, "production", "1", "--force")
    assert done("get", KEY, "--label", "production") == "one"


def test_delete_heeds_the_version_it_expects(done: Done, refused: Done) -> None:
    done("set", KEY, "one")
    assert "expected version 2, current is 1" in refused("delete", KEY, "--if-version", "2")
    deleted = done("delete", KEY, "--if-version", "1")
    assert deleted == f"{KEY} version 2 behaviour 1 revision 2 deleted\n"
