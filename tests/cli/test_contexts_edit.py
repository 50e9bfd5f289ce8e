"""``cache-fabric contexts edit``: the editor's text is saved, or kept and named."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import KEY, Done

Editor = Callable[[str], None]


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Install an editor: Python statements on ``path``; its drafts lie in a folder of the test."""
    drafts = tmp_path / "drafts"
    drafts.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(drafts))
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)

    def install(statements: str) -> None:
        script = tmp_path / "editor.py"
        script.write_text(
            "import pathlib, sys\npath = pathlib.Path(sys.argv[-1])\n" + statements,
            encoding="utf-8",
        )
        monkeypatch.setenv("EDITOR", f"'{sys.executable}' '{script}'")

    return install


def drafts(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "drafts").iterdir())


@pytest.mark.parametrize("before", ["Be kind.", "Be kind.\n"])
def test_edit_saves_the_text_without_the_editors_own_newline(
    done: Done, editor: Editor, tmp_path: Path, before: str
) -> None:
    done("set", KEY, "-", "--metadata", '{"ticket": 7}', given=before)
    editor("path.write_text(path.read_text().replace('kind', 'brave'))")
    saved = done("edit", KEY, "--change", "cosmetic", "--author", "ann", "--message", "why")
    assert saved == f"{KEY} version 2 behaviour 1 revision 2\n"
    entry = json.loads(done("get", KEY, "--json"))
    assert entry["value"] == before.replace("kind", "brave")
    assert entry["metadata"] == {"ticket": 7}
    assert (entry["author"], entry["message"]) == ("ann", "why")
    assert drafts(tmp_path) == []


def test_edit_keeps_the_kind_of_the_value(done: Done, editor: Editor) -> None:
    done("set", KEY, '{"a": 1}', "--value-json")
    editor("assert path.suffix == '.json'; path.write_text('{\"a\": 2}')")
    done("edit", KEY)
    assert json.loads(done("get", KEY, "--json"))["value"] == {"a": 2}


def test_edit_writes_where_the_context_was_found(done: Done, editor: Editor) -> None:
    done("set", KEY, "for acme", "--tenant", "acme")
    editor("path.write_text('new')")
    done("edit", KEY, "--tenant", "acme", "--user", "ann")
    assert done("get", KEY, "--tenant", "acme") == "new"


@pytest.mark.parametrize("value", ['"text"', '{"a": 1}'])
def test_edit_without_a_change_writes_nothing(
    done: Done, editor: Editor, tmp_path: Path, value: str
) -> None:
    done("set", KEY, value, "--value-json")
    editor("path.write_text(path.read_text())")
    assert done("edit", KEY) == f"{KEY} unchanged, nothing was written\n"
    assert len(json.loads(done("log", KEY, "--json"))) == 1
    assert drafts(tmp_path) == []


def test_edit_never_overwrites_what_was_written_meanwhile(
    done: Done, refused: Done, editor: Editor, folder: Path, tmp_path: Path
) -> None:
    done("set", KEY, "one")
    command = [sys.executable, "-c", "from cache_fabric.cli import main; main()"]
    other = [*command, "contexts", "set", KEY, "theirs", "--fabric", str(folder)]
    editor(f"path.write_text('mine')\nimport subprocess; subprocess.run({other!r}, check=True)")
    message = refused("edit", KEY)
    assert "expected version 1, current is 2" in message
    assert done("get", KEY) == "theirs"
    (kept,) = drafts(tmp_path)
    assert f"your text is kept in {kept}" in message.replace("\n", " ")
    assert kept.read_text() == "mine"


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        ("path.write_text('{')", "value: invalid JSON"),
        ("path.write_bytes(b'\\xff')", "expected UTF-8 text"),
        ("path.write_text('{}'); sys.exit(3)", "ended with exit code 3"),
    ],
)
def test_an_edit_that_cannot_be_saved_is_kept(
    done: Done, refused: Done, editor: Editor, tmp_path: Path, statements: str, message: str
) -> None:
    done("set", KEY, '{"a": 1}', "--value-json")
    editor(statements)
    told = refused("edit", KEY)
    assert message in told
    assert str(drafts(tmp_path)[0]) in told


def test_an_editor_that_fails_leaves_nothing_behind(
    done: Done, refused: Done, editor: Editor, tmp_path: Path
) -> None:
    done("set", KEY, "one")
    assert "EDITOR: is not set" in refused("edit", KEY)
    assert "cannot be run" in refused("edit", KEY, EDITOR="/not/there")
    assert "cannot be run" in refused("edit", KEY, EDITOR="'")
    editor("path.unlink()")
    assert "cannot be read" in refused("edit", KEY)
    assert drafts(tmp_path) == []


def test_visual_goes_before_editor(done: Done, refused: Done, editor: Editor) -> None:
    done("set", KEY, "one")
    editor("path.write_text('by EDITOR')")
    assert "/the/visual" in refused("edit", KEY, VISUAL="/the/visual")
