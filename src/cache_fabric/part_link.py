"""The connection to a fabric's server, for the parts that are over there."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from cache_fabric.errors import (
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    ConfigurationError,
    MissingExtraError,
    ValidationError,
)
from cache_fabric.part_calls import CALLS, packed, unpacked
from cache_fabric.stores.base import CommitConflict

try:
    import httpx
except ModuleNotFoundError as error:
    raise MissingExtraError("http", "a fabric over HTTP") from error

__all__ = ["NAME", "Link"]

NAME = "http"
"""Of the parts, in messages."""

_CONNECT = 5.0  # seconds; a lookup has a budget of its own
_PATIENCE = 30.0
_MOST_CONNECTIONS = 64
_LENGTH = 4


class Link:
    """Calls of one part.

    Args:
        part: ``"store"`` or ``"index"``, for messages.
        url: ``fabric+http://:token@host:8090`` or ``fabric+https://...``; the token may come from
            ``CACHE_FABRIC_API_TOKEN`` instead.

    Attributes:
        address: Of the server, without the token.

    Raises:
        ConfigurationError: The URL is none.
    """

    def __init__(self, part: str, url: str) -> None:
        address = urlsplit(url.removeprefix("fabric+"))
        try:
            port = f":{address.port}" if address.port else ""
        except ValueError as error:
            raise ConfigurationError(f"{part}: {error}; expected {_EXPECTED}") from error
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise ConfigurationError(f"{part}: expected {_EXPECTED}")
        host = f"[{address.hostname}]" if ":" in address.hostname else address.hostname
        self.address = f"{address.scheme}://{host}{port}"
        self._base = f"{self.address}{address.path.rstrip('/')}/v1/parts/"
        given = address.password or address.username
        self._token = unquote(given) if given else os.environ.get("CACHE_FABRIC_API_TOKEN")
        self._client: httpx.AsyncClient | None = None

    def connect(self) -> None:
        """Make the client; it connects when it is used."""
        if self._client is None:
            self._client = httpx.AsyncClient(
                headers={"authorization": f"Bearer {self._token}"} if self._token else {},
                timeout=httpx.Timeout(_PATIENCE, connect=_CONNECT),
                limits=httpx.Limits(
                    max_connections=_MOST_CONNECTIONS, max_keepalive_connections=_MOST_CONNECTIONS
                ),
                trust_env=False,  # a proxy of the environment is for what is far away
            )

    async def call(
        self, part: str, method: str, patience: float = _PATIENCE, /, **arguments: Any
    ) -> Any:
        """Return what a method of a part over there returns, or raise what it raises."""
        asked = CALLS[part][method]
        data = packed(asked.takes(**arguments))
        try:
            said = await self._usable(method).post(
                f"{self._base}{part}/{method}",
                content=data,
                timeout=httpx.Timeout(patience, connect=_CONNECT),
            )
        except httpx.HTTPError as error:
            raise self._translated(method, error) from error
        if said.status_code != httpx.codes.OK:
            raise self._refusal(method, said.status_code, said.content)
        try:
            return unpacked(said.content, asked.gives)
        except msgspec.DecodeError as error:
            raise BackendError(NAME, method, f"{self.address} is of another version") from error

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        """Yield the entries of the store over there as they come."""
        data = packed(prefix)
        try:
            async with self._usable("scan").stream(
                "POST", f"{self._base}store/scan", content=data
            ) as said:
                if said.status_code != httpx.codes.OK:
                    raise self._refusal("scan", said.status_code, await said.aread())
                async for page in _pages(said):
                    for entry in unpacked(page, list[tuple[str, bytes]]):
                        yield entry
        except httpx.HTTPError as error:
            raise self._translated("scan", error) from error

    async def aclose(self) -> None:
        """Close the connections; idempotent."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _usable(self, method: str) -> httpx.AsyncClient:
        if self._client is None:
            raise BackendUnavailable(NAME, method, "not open, or closed")
        return self._client

    def _translated(self, method: str, error: httpx.HTTPError) -> BackendError:
        if isinstance(error, httpx.TimeoutException):
            return BackendTimeout(NAME, method, f"{self.address} did not answer in time")
        kind = type(error).__name__
        return BackendUnavailable(NAME, method, f"{self.address} cannot be reached ({kind})")

    def _refusal(self, method: str, status: int, data: bytes) -> Exception:
        try:
            said = msgspec.json.decode(data)
            field, message = said["error"]["field"], said["error"]["message"]
        except (ValueError, KeyError, TypeError):
            return BackendError(NAME, method, f"{self.address} answered {status}")
        if status == httpx.codes.CONFLICT:
            return CommitConflict(said["current"]["key"], said["current"]["revision"])
        if status == httpx.codes.UNPROCESSABLE_ENTITY:
            return ValidationError(str(field), message.removeprefix(f"{field}: "))
        if status == httpx.codes.BAD_REQUEST:
            return ConfigurationError(message)
        if status == httpx.codes.UNAUTHORIZED:
            message = f"{self.address} refused the token; set CACHE_FABRIC_API_TOKEN"
        return BackendUnavailable(NAME, method, message)


_EXPECTED = "fabric+http://:token@host:8090"


async def _pages(said: httpx.Response) -> AsyncIterator[bytes]:
    """Yield what was framed by its length; raises where the stream ends within a frame."""
    waiting = bytearray()
    async for data in said.aiter_bytes():
        waiting += data
        while len(waiting) >= _LENGTH:
            end = _LENGTH + int.from_bytes(waiting[:_LENGTH])
            if len(waiting) < end:
                break
            yield bytes(waiting[_LENGTH:end])
            del waiting[:end]
    if waiting:
        raise httpx.RemoteProtocolError("the stream ended within a page")
