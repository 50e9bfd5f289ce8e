"""``/session``: a browser exchanges the token for a cookie that no script can read."""

from __future__ import annotations

from msgspec import Struct

from cache_fabric.web.errors import refusal
from cache_fabric.web.operations import Asked, Operation, Reply
from cache_fabric.web.tokens import COOKIE, SESSION_SECONDS, Token

__all__ = ["session_operations"]

_ATTRIBUTES = "Path=/; HttpOnly; SameSite=Strict"


class Session(Struct):
    """Whether the caller is let in, and what there is beside the API: nobody else is told that."""

    signed_in: bool
    beside: tuple[str, ...]


class Login(Struct, forbid_unknown_fields=True):
    """What the printed address has behind its ``#``."""

    token: str


def session_operations(token: Token | None, beside: tuple[str, ...] = ()) -> tuple[Operation, ...]:
    """Return the operations that begin and end a session, and tell whether there is one.

    ``beside`` are the paths of what is served beside the API.
    """

    async def tell(asked: Asked) -> Session:
        is_in = token is None or token.is_borne(asked.headers) or token.has_session(asked.headers)
        return Session(is_in, beside if is_in else ())

    async def begin(asked: Asked) -> object:
        if token is None:
            return Reply(status=204)
        if not token.matches(asked.body.token):
            await token.slow_down()
            return refusal(401, "token", "this is not the API's token")
        # What a browser sees of the scheme: a proxy in front may have ended TLS.
        secure = "; Secure" if asked.headers.get("origin", "").startswith("https:") else ""
        lasting = f"Max-Age={SESSION_SECONDS}; {_ATTRIBUTES}{secure}"
        cookie = f"{COOKIE}={token.new_session()}; {lasting}"
        return Reply(status=204, headers={"set-cookie": cookie})

    async def end(_: Asked) -> Reply:
        cookie = f"{COOKIE}=; Max-Age=0; {_ATTRIBUTES}"
        return Reply(status=204, headers={"set-cookie": cookie})

    return (
        Operation(
            method="GET",
            path="/session",
            call=tell,
            summary="Say whether the caller is let in",
            returns=Session,
        ),
        Operation(
            method="POST",
            path="/session",
            call=begin,
            summary="Exchange the token for the cookie of a session",
            body=Login,
            status=204,
            also=(401,),
        ),
        Operation(
            method="DELETE",
            path="/session",
            call=end,
            summary="Forget the cookie of the session",
            status=204,
        ),
    )
