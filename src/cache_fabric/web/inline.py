"""The dashboard inside a notebook: served on loopback by a thread, shown in a frame.

The cookie of the page's session reaches it in a frame only if the notebook's page has the same host
name; a notebook that runs in an editor shows it in a tab of the browser instead.
"""

from __future__ import annotations

import html
import secrets
import socket
import threading

import uvicorn

from cache_fabric.errors import ConfigurationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.web.app import create_app

__all__ = ["Frame", "Inline"]

_LOOPBACK = "127.0.0.1"
_NOTEBOOKS = tuple(
    f"{scheme}://{host}:*" for scheme in ("http", "https") for host in ("localhost", _LOOPBACK)
)
_FAREWELL = 1  # seconds that open streams may take to end
_PATIENCE = 5.0  # seconds for the server to stop


class Inline:
    """Serves the dashboard of a fabric until `stop`, or until the program ends.

    Args:
        fabric: Used as it is and never closed.
        port: To listen on; 0 for one that is free.

    Raises:
        ConfigurationError: Nobody may listen on that port.
    """

    def __init__(self, fabric: CacheFabric, port: int) -> None:
        self._token = secrets.token_urlsafe(24)
        self._socket = _listening(port)
        self.port: int = self._socket.getsockname()[1]
        app = create_app(fabric, token=self._token, page=True, ancestors=_NOTEBOOKS)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=_FAREWELL
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="cache-fabric-page", daemon=True
        )
        self._thread.start()

    def frame(self, host: str, height: int) -> Frame:
        """Return what a notebook shows.

        Args:
            host: Name under which the notebook's own page is open, ``localhost`` or ``127.0.0.1``.
            height: Pixels.
        """
        return Frame(f"http://{host}:{self.port}/#token={self._token}", height)

    def stop(self) -> None:
        """Serve no more; idempotent."""
        self._server.should_exit = True
        self._thread.join(_PATIENCE)
        self._socket.close()


class Frame:
    """The dashboard in a frame; as text its address, which holds the token of this server."""

    def __init__(self, address: str, height: int) -> None:
        self.address = address
        self._height = height

    def __repr__(self) -> str:
        return f"dashboard: {self.address}"

    def _repr_html_(self) -> str:
        address = html.escape(self.address)
        style = "border:1px solid rgba(128,128,128,.4);border-radius:6px"
        return (
            f"<iframe src='{address}' title='Cache Fabric' width='100%' height='{self._height}' "
            f"style='{style}'></iframe><div><a href='{address}' target='_blank' rel='noopener'>"
            "Open it in a tab</a></div>"
        )


def _listening(port: int) -> socket.socket:
    made = socket.socket()
    try:
        made.bind((_LOOPBACK, port))
        made.listen()
    except (OSError, OverflowError) as error:
        made.close()
        raise ConfigurationError(f"port: cannot listen on {port}: {error}") from error
    return made
