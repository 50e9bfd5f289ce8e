"""Runs a compose file's services without containers: their commands, as processes on loopback.

What a container gives is stood in for: the image's and the service's environment and no other,
names and ports of services, mounted files, volumes and secrets. Images themselves are not built.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from servers import end_with_parent, free_ports, wheel_server

__all__ = ["Stack", "image_environment", "interpolated", "variables"]

START_SECONDS = 150
_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?::([-?])([^}]*))?\})")


def variables(text: str) -> dict[str, str]:
    """Names that a compose file reads, and how: ``?`` for required, ``-`` for a default."""
    return {found[2]: found[3] or "" for found in _VARIABLE.finditer(text) if found[2]}


def interpolated(text: str, given: Mapping[str, str]) -> str:
    """Fill in variables as Compose does."""

    def value(found: re.Match[str]) -> str:
        escaped, name, operator, word = found.groups()
        if escaped:
            return "$"
        if given.get(name):
            return given[name]
        if operator == "-":
            return str(word)
        raise LookupError(f"{name} {word}")

    return _VARIABLE.sub(value, text)


def image_environment(dockerfile: str) -> dict[str, str]:
    """What the last stage of an image sets, but for places inside of it."""
    [*_, said] = re.findall(r"^ENV ((?:.*\\\n)*.*)$", dockerfile, re.MULTILINE)
    told = dict(pair.split("=", 1) for pair in said.replace("\\\n", " ").split())
    return {name: value for name, value in told.items() if name not in ("PATH", "HOME")}


class Stack:
    """Services of one file; `start` and `stop` them in any order.

    Args:
        file: The compose file.
        given: What ``.env`` would say.
        folder: For volumes, secrets and logs.
        ports: The port that each service listens on in its container.
        entrypoints: Programs of images whose commands are only arguments.
        changes: Words that are said otherwise, as to scrape more often.
    """

    def __init__(
        self,
        file: Path,
        given: Mapping[str, str],
        folder: Path,
        ports: Mapping[str, int],
        *,
        entrypoints: Mapping[str, str],
        changes: Mapping[str, str],
    ) -> None:
        document = yaml.safe_load(interpolated(file.read_text(), given))
        self._services: dict[str, Any] = document["services"]
        self._secrets = {
            name: given[secret["environment"]] for name, secret in document["secrets"].items()
        }
        self._file, self._folder, self._inner = file, folder, ports
        self._entrypoints, self._changes = entrypoints, changes
        self._ports = dict(zip(ports, free_ports(len(ports)), strict=True))
        self._image = image_environment((file.parent / "Dockerfile").read_text())
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"

    def start(self, name: str) -> None:
        """Start a service, and return when its own health check passes."""
        service = self._services[name]
        words = self._words(name)
        program = self._entrypoints.get(service["image"].partition(":")[0])
        command = [*([program] if program else []), *service["command"]]
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [_local(word, words) for word in command],
                env=self._environment(name, words),
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        self._wait_until_healthy(name, words)

    def stop(self, name: str) -> None:
        """End a service as an engine does: it is asked to, and has ten seconds."""
        process = self._processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def close(self) -> None:
        for name in reversed([*self._processes]):
            self.stop(name)

    def _wait_until_healthy(self, name: str, words: Mapping[str, str]) -> None:
        kind, *check = self._services[name]["healthcheck"]["test"]
        command = [_local(word, words) for word in check]
        if kind == "CMD-SHELL":
            command = ["sh", "-c", *command]
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._processes[name].poll() is None:
            environment = self._environment(name, words)
            done = subprocess.run(
                command, env=environment, capture_output=True, check=False, timeout=30
            )
            if done.returncode == 0:
                return
            time.sleep(0.2)
        log = (self._folder / f"{name}.log").read_text(errors="replace")
        pytest.fail(f"{name} is not healthy: {done.stderr.decode()}\n{log[-3000:]}")

    def _environment(self, name: str, words: Mapping[str, str]) -> dict[str, str]:
        service = self._services[name]
        told = service.get("environment", {})
        source = Path(__file__).parents[2] / "src"
        return {
            "PATH": f"{Path(sys.executable).parent}:{self._stand_ins()}:{os.environ['PATH']}",
            "HOME": str(self._folder),
            "PYTHONPATH": str(source),
            **(self._image if "build" in service else {}),
            **{key: _local(str(value), words) for key, value in told.items()},
        }

    def _stand_ins(self) -> Path:
        """Programs of other images that may not be on this machine."""
        folder = self._folder / "bin"
        folder.mkdir(exist_ok=True)
        if shutil.which("redis-server") is None:
            with contextlib.suppress(FileExistsError):
                (folder / "redis-server").symlink_to(wheel_server())
        return folder

    def _words(self, name: str) -> dict[str, str]:
        """What is called otherwise outside of a container."""
        words = {"0.0.0.0": "127.0.0.1", **self._changes}
        for other, port in self._inner.items():
            words[f"{other}:{port}"] = f"127.0.0.1:{self._ports[other]}"
        words[str(self._inner[name])] = str(self._ports[name])
        for secret in self._services[name].get("secrets", ()):
            words[f"/run/secrets/{secret}"] = str(self._written(secret, self._secrets[secret]))
        files = {}
        for volume in self._services[name].get("volumes", ()):
            source, target, *_ = volume.split(":")
            if source.startswith("."):
                files[target] = self._file.parent / source
                words[target] = str(self._folder / Path(source).name)
            else:
                words[target] = str(self._folder / "volumes" / source)
                Path(words[target]).mkdir(parents=True, exist_ok=True)
        for target, source in files.items():
            Path(words[target]).write_text(_local(source.read_text(), words))
        return words

    def _written(self, name: str, text: str) -> Path:
        path = self._folder / name
        path.write_text(text)
        return path


def _local(text: str, words: Mapping[str, str]) -> str:
    names = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.sub(rf"(?<![\w.])({names})(?!\w|\.\d)", lambda found: words[found[1]], text)


@contextlib.contextmanager
def closing(stack: Stack) -> Iterator[Stack]:
    try:
        yield stack
    finally:
        stack.close()
