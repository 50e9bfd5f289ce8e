"""Processes in place of containers: what an image and its runtime give, on loopback.

Images themselves are not built: programs come from this environment and this machine.
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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from servers import end_with_parent, wheel_server

__all__ = ["IMAGE", "TOP", "Processes", "localized"]

TOP = Path(__file__).parents[2]
START_SECONDS = 150
STOP_SECONDS = 10
PING = """
import os, sys, redis
_, _, port, _ = sys.argv
redis.Redis(port=int(port), password=os.environ["REDISCLI_AUTH"]).ping()
print("PONG")
"""


def _image_environment(dockerfile: str) -> dict[str, str]:
    """What the last stage sets, but for places inside of the image."""
    [*_, said] = re.findall(r"^ENV ((?:.*\\\n)*.*)$", dockerfile, re.MULTILINE)
    told = dict(pair.split("=", 1) for pair in said.replace("\\\n", " ").split())
    return {name: value for name, value in told.items() if name not in ("PATH", "HOME")}


IMAGE = _image_environment((TOP / "integrations" / "docker-compose" / "Dockerfile").read_text())


def localized(text: str, words: Mapping[str, str]) -> str:
    """Say otherwise what is called otherwise outside of a container: hosts, ports and places."""
    names = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.sub(rf"(?<![\w.])({names})(?!\w|\.\d)", lambda found: words[found[1]], text)


class Processes:
    """Processes by name, each with the environment it is given and no other.

    Args:
        folder: For logs, and the home of all of them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        is_healthy: Callable[[], bool],
    ) -> None:
        """Start one, and return when it is healthy."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = self._running[name] = subprocess.Popen(
                command,
                env=self.environment(environment),
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            if is_healthy():
                return
            time.sleep(0.2)
        pytest.fail(f"{name} is not healthy:\n{self.log(name)[-3000:]}")

    def environment(self, told: Mapping[str, str]) -> dict[str, str]:
        """Return what a process is told, and where programs are."""
        programs = f"{Path(sys.executable).parent}:{self._stand_ins()}:{os.environ['PATH']}"
        source = str(TOP / "src")
        return {"PATH": programs, "HOME": str(self.folder), "PYTHONPATH": source, **told}

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def stop(self, name: str) -> None:
        """End one as an engine does: it is asked to, and has ten seconds."""
        process = self._running.pop(name)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def close(self) -> None:
        for name in reversed([*self._running]):
            self.stop(name)

    def _stand_ins(self) -> Path:
        """Programs of the Redis image, where this machine has none."""
        folder = self.folder / "bin"
        if not folder.exists():
            folder.mkdir()
            if shutil.which("redis-server") is None:
                (folder / "redis-server").symlink_to(wheel_server())
            if shutil.which("redis-cli") is None:
                (folder / "redis-cli").write_text(f"#!{sys.executable}\n{PING}")
                (folder / "redis-cli").chmod(0o755)
        return folder
