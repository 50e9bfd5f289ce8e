"""Values that a person hands to a command: an argument, a file, standard input, an editor."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import typer

from cache_fabric.cli._context_views import as_text
from cache_fabric.cli._fabric import fail
from cache_fabric.errors import CacheFabricError, ValidationError

__all__ = [
    "draft_of",
    "fail_keeping",
    "given_metadata",
    "given_value",
    "parsed",
    "read_draft",
    "run_editor",
]


def given_value(value: str | None, file: Path | None, *, as_json: bool) -> Any:
    """Return the value from the one source that was given, or end with the reason."""
    if value is not None and file is not None:
        fail("give the value once: as VALUE or with --file, not both")
    if file is not None:
        text = _file_text(file)
    elif value is None or value == "-":
        text = _input_text(asked_for=value == "-")
    else:
        text = value
    return parsed(text, "value") if as_json else text


def given_metadata(text: str | None) -> dict[str, Any] | None:
    """Return the object of ``--metadata``; raises `ValidationError` for anything else."""
    if text is None:
        return None
    metadata = parsed(text, "--metadata")
    if not isinstance(metadata, dict):
        raise ValidationError("--metadata", f"expected a JSON object, got {text:.40}")
    return metadata


def parsed(text: str, field: str) -> Any:
    """Return JSON data; raises `ValidationError` with the place of what is not JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise ValidationError(field, f"invalid JSON at {where}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise ValidationError(field, "invalid JSON: a number or a nesting too large") from error


def draft_of(value: Any) -> Path:
    """Write a value into a new file that only this user can read, and return its path."""
    suffix = ".txt" if isinstance(value, str) else ".json"
    descriptor, name = tempfile.mkstemp(suffix, "cache-fabric-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(_with_newline(as_text(value)).encode())
    return Path(name)


def run_editor(draft: Path) -> None:
    """Let the user's editor change a draft; raises `ValidationError` when that did not work."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise ValidationError("EDITOR", "is not set, name your editor in it or in VISUAL")
    try:
        command = [*shlex.split(editor, posix=os.name != "nt"), str(draft)]
        code = subprocess.run(command, check=False).returncode  # noqa: S603 - the user's own
    except (OSError, ValueError) as error:
        raise ValidationError("EDITOR", f"{editor!r} cannot be run: {error}") from error
    if code:
        raise ValidationError("EDITOR", f"{editor!r} ended with exit code {code}")


def read_draft(draft: Path, before: Any) -> Any:
    """Return the edited value, of the kind it had; raises `ValidationError`.

    Editors end a file with a newline: one that the value did not have is taken off again.
    """
    try:
        text = draft.read_bytes().decode()
    except OSError as error:
        raise ValidationError(str(draft), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValidationError(str(draft), "expected UTF-8 text") from error
    if not isinstance(before, str):
        return parsed(text, "value")
    return text if before.endswith("\n") else text.removesuffix("\n")


def fail_keeping(draft: Path, untouched: bytes, error: CacheFabricError) -> NoReturn:
    """End with the reason; a draft that somebody worked on is kept and named."""
    if draft.exists() and draft.read_bytes() != untouched:
        fail(f"{error}\nNothing was written; your text is kept in {draft}")
    draft.unlink(missing_ok=True)
    fail(f"{error}\nNothing was written")


def _with_newline(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


def _file_text(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except OSError as error:
        fail(f"--file: {file} cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        fail(f"--file: {file} is not UTF-8 text")


def _input_text(*, asked_for: bool) -> str:
    if not asked_for and sys.stdin.isatty():
        fail("no value: give VALUE, --file, or text on standard input")
    try:
        text = typer.get_binary_stream("stdin").read().decode()
    except UnicodeDecodeError:
        fail("standard input is not UTF-8 text")
    if not text and not asked_for:  # a job without input must not empty a prompt by accident
        fail("no value: standard input is empty; give VALUE, or '-' to mean it")
    return text
