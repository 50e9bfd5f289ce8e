"""A way to a server that loses one answer: what was asked for is done, and nobody hears of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Way:
    """Carries bytes to a port of this machine and back.

    Args:
        port: Of the server.
        to: The first answer after a request with these bytes is lost, with the connection.
    """

    def __init__(self, port: int, to: bytes) -> None:
        self.has_lost = False
        self._port = port
        self._to = to

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection("127.0.0.1", self._port)
        asked = bytearray()

        async def ask() -> None:
            while data := await reader.read(65536):
                asked.extend(data)
                requests.write(data)

        asking = asyncio.create_task(ask())
        try:
            while data := await answers.read(65536):
                if self._to in asked and not self.has_lost:
                    self.has_lost = True
                    break
                asked.clear()
                writer.write(data)
        finally:
            asking.cancel()
            for end in (writer, requests):
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()


@contextlib.asynccontextmanager
async def losing_an_answer(port: int, to: bytes) -> AsyncIterator[tuple[str, Way]]:
    """The url of such a way; whoever uses it closes its connections first."""
    way = Way(port, to)
    carrying: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carrying.add(asyncio.create_task(way.carry(reader, writer)))

    async with await asyncio.start_server(connected, "127.0.0.1") as listener:
        try:
            yield f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}", way
        finally:
            for task in carrying:
                task.cancel()
            await asyncio.gather(*carrying, return_exceptions=True)
