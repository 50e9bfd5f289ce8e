"""Where a Redis is, read from a URL; the forms are in `Place.of`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import parse_qsl, unquote

from cache_fabric.errors import ConfigurationError

if TYPE_CHECKING:
    from cache_fabric.stores._embedded_server import EmbeddedServer

__all__ = ["Place", "place_of"]

_PORTS = {"one": 6379, "cluster": 6379, "sentinel": 26379}
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^\[\]:@/,\s]+)(?::(?P<port>\d{1,5}))?")
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_SENTINEL_LOGIN = ("sentinel_username", "sentinel_password")


def place_of(url: str) -> Place | EmbeddedServer:
    """As `Place.of`, and ``embedded:///folder`` for a server that needs no installation."""
    scheme, _, folder = url.partition("://")
    if scheme != "embedded":
        return Place.of(url)
    # Imported here: it needs the locks and sockets of Unix.
    from cache_fabric.stores._embedded_server import EmbeddedServer

    return EmbeddedServer(folder)


@dataclass(frozen=True, slots=True)
class Place:
    """A server, a cluster, or a service that sentinels know.

    Attributes:
        kind: ``"one"``, ``"cluster"`` or ``"sentinel"``.
        hosts: Servers to ask first; of a cluster or of sentinels any will do.
        socket: Path of a Unix socket, which then takes the place of the hosts.
        service: The sentinels' name of what they watch.
        login: ``username`` and ``password`` for the server.
        sentinel_login: The same for the sentinels.
        tls: Keyword arguments of a TLS connection, ``None`` for a plain one.
        is_default: No host was named: this is localhost:6379 because nothing else was said.
    """

    kind: str = "one"
    hosts: tuple[tuple[str, int], ...] = ()
    socket: str | None = None
    db: int = 0
    service: str = ""
    login: Mapping[str, str] = field(default_factory=dict, repr=False)
    sentinel_login: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: Mapping[str, str | bool] | None = None
    is_default: bool = False

    @classmethod
    def of(cls, url: str) -> Place:
        """The place that a URL names.

        ::

            redis://[[user]:password@]host[:port][/db]
            redis+sentinel://[[user]:password@]host[:port],host[:port]/service[/db]
            redis+cluster://[[user]:password@]host[:port],host[:port]

        ``rediss`` in place of ``redis`` is TLS, with the options ``ssl_ca_certs``,
        ``ssl_certfile``, ``ssl_keyfile`` (files) and ``ssl_check_hostname`` (``true`` or
        ``false``). Sentinels with a password of their own take ``sentinel_username`` and
        ``sentinel_password``. ``redis://`` alone is localhost:6379.

        Raises:
            ConfigurationError: The message names the part that is wrong and never a password.
        """
        scheme, _, rest = url.partition("://")
        family, _, variant = scheme.partition("+")
        kind = variant or "one"
        if family not in ("redis", "rediss") or kind not in _PORTS or scheme.endswith("+"):
            _refuse(
                "scheme",
                "expected redis, rediss, redis+sentinel, rediss+sentinel, redis+cluster or "
                f"rediss+cluster, got {scheme!r}",
            )
        rest, _, query = rest.partition("?")
        authority, _, path = rest.partition("/")
        login, _, netloc = authority.rpartition("@")
        service, db = _named(kind, path)
        tls, sentinel_login = _options(query, is_tls=family == "rediss", kind=kind)
        return cls(
            kind=kind,
            hosts=_hosts(netloc, kind),
            db=db,
            service=service,
            login=_login(login),
            sentinel_login=sentinel_login,
            tls=tls,
            is_default=not netloc,
        )

    @property
    def address(self) -> str:
        """Where this is, for messages; without the login."""
        if self.socket is not None:
            return self.socket
        hosts = ",".join(f"{host}:{port}" for host, port in self.hosts)
        if self.kind == "sentinel":
            return f"service {self.service!r} of the sentinels {hosts}"
        if self.is_default:
            return f"{hosts} (the default when neither url= nor REDIS_URL is given)"
        return f"the cluster {hosts}" if self.kind == "cluster" else hosts


def _refuse(part: str, why: str) -> NoReturn:
    raise ConfigurationError(f"url: {part}: {why}")


def _hosts(netloc: str, kind: str) -> tuple[tuple[str, int], ...]:
    if not netloc and kind == "one":
        return (("localhost", _PORTS[kind]),)
    hosts = tuple(_host(part, kind) for part in netloc.split(","))
    if len(hosts) > 1 and kind == "one":
        _refuse("host", "several hosts need redis+sentinel:// or redis+cluster://")
    return hosts


def _host(part: str, kind: str) -> tuple[str, int]:
    match = _HOST.fullmatch(part)
    if match is None:
        # Not repeated: a password with an unescaped "@" or "," would end up here.
        _refuse("host", "expected host or host:port, with an IPv6 address in brackets")
    port = int(match["port"] or _PORTS[kind])
    if not 0 < port < 65536:
        _refuse("port", f"expected 1 to 65535, got {port}")
    return match["host"].strip("[]"), port


def _login(text: str) -> Mapping[str, str]:
    user, _, password = text.partition(":")
    named = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in named.items() if value}


def _named(kind: str, path: str) -> tuple[str, int]:
    parts = [unquote(part) for part in path.split("/")]
    service = parts.pop(0) if kind == "sentinel" else ""
    if kind == "sentinel" and not service:
        _refuse("service", "expected redis+sentinel://host:port/service")
    db = parts[0] if parts else ""
    if len(parts) > 1 or not (db == "" or (db.isascii() and db.isdigit())):
        _refuse("database", "expected a number after the last slash")
    if kind == "cluster" and db not in ("", "0"):
        _refuse("database", "a cluster has only database 0")
    return service, int(db or 0)


def _options(
    query: str, *, is_tls: bool, kind: str
) -> tuple[Mapping[str, str | bool] | None, Mapping[str, str]]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    known = [*(_SENTINEL_LOGIN if kind == "sentinel" else ())]
    if is_tls:
        known += [*_TLS_FILES, "ssl_check_hostname"]
    for name in options:
        if name not in known:
            choices = ", ".join(known) or "none for this scheme"
            _refuse("option", f"unknown {name!r}, expected one of: {choices}")
    login = {
        name.removeprefix("sentinel_"): options[name] for name in _SENTINEL_LOGIN if name in options
    }
    if not is_tls:
        return None, login
    tls: dict[str, str | bool] = {name: options[name] for name in _TLS_FILES if name in options}
    checked = options.get("ssl_check_hostname", "true").lower()
    if checked not in ("true", "false"):
        _refuse("ssl_check_hostname", "expected true or false")
    return {"ssl": True, "ssl_check_hostname": checked == "true", **tls}, login
