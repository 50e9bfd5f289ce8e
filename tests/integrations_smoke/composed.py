"""Runs a compose file's services without containers: their commands, as processes on loopback.

What a container gives is stood in for: the image's and the service's environment and no other,
names and ports of services, mounted files, volumes and secrets.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from integrations_smoke.contained import IMAGE, Processes, localized
from servers import free_ports

__all__ = ["Stack", "interpolated", "variables"]

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
        self._file, self._inner = file, ports
        self._entrypoints, self._changes = entrypoints, changes
        self._ports = dict(zip(ports, free_ports(len(ports)), strict=True))
        self._processes = Processes(folder)
        self.stop, self.close = self._processes.stop, self._processes.close

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"

    def start(self, name: str) -> None:
        """Start a service, and return when its own health check passes."""
        service, words = self._services[name], self._words(name)
        program = self._entrypoints.get(service["image"].partition(":")[0])
        command = [*([program] if program else []), *service["command"]]
        told = {
            **(IMAGE if "build" in service else {}),
            **{
                key: localized(str(value), words)
                for key, value in service.get("environment", {}).items()
            },
        }
        kind, *check = service["healthcheck"]["test"]
        check = [localized(word, words) for word in check]

        def is_healthy() -> bool:
            done = subprocess.run(
                ["sh", "-c", *check] if kind == "CMD-SHELL" else check,
                env=self._processes.environment(told),
                capture_output=True,
                check=False,
                timeout=30,
            )
            return done.returncode == 0

        self._processes.start(name, [localized(word, words) for word in command], told, is_healthy)

    def _words(self, name: str) -> dict[str, str]:
        """What is called otherwise outside of a container; mounted files are written with it."""
        words = {"0.0.0.0": "127.0.0.1", **self._changes}
        for other, port in self._inner.items():
            words[f"{other}:{port}"] = f"127.0.0.1:{self._ports[other]}"
        words[str(self._inner[name])] = str(self._ports[name])
        folder, files = self._processes.folder, {}
        for secret in self._services[name].get("secrets", ()):
            place = folder / secret
            place.write_text(self._secrets[secret])
            words[f"/run/secrets/{secret}"] = str(place)
        for volume in self._services[name].get("volumes", ()):
            source, target, *_ = volume.split(":")
            if source.startswith("."):
                files[target] = self._file.parent / source
                words[target] = str(folder / Path(source).name)
            else:
                words[target] = str(folder / "volumes" / source)
                Path(words[target]).mkdir(parents=True, exist_ok=True)
        for target, source in files.items():
            Path(words[target]).write_text(localized(source.read_text(), words))
        return words
