"""KuCoin's classic socket wants a token for each connection; its answer says where."""

from __future__ import annotations

import zlib
from typing import Literal
from urllib.parse import quote

from msgspec import Struct

from booksync.errors import MalformedMessage
from booksync.venues.base import Venue
from booksync.venues.facts import Request

__all__ = ["REQUEST", "endpoint"]

#: Public: it wants no key.
REQUEST = Request(path="/api/v1/bullet-public", method="POST", weight=10)


class Server(Struct):
    """One of ``instanceServers``."""

    endpoint: str


class Bullet(Struct, rename="camel"):
    """``{"token":"2neA…","instanceServers":[{"endpoint":"wss://…",…}]}``."""

    token: str
    instance_servers: list[Server]


class Answer(Struct):
    """``{"code":"200000","data":{…}}``."""

    code: Literal["200000"]
    data: Bullet


ANSWER = Venue.decoder(Answer)


def endpoint(answer: bytes | None, base: str | None) -> str:
    """
    Make ``<endpoint>?token=…&connectId=…``; the connection's id is made of the token.

    Args:
        answer: To the request; its token is another each time.
        base: What the user put in the endpoint's place; ``None`` for what it names.

    Raises:
        MalformedMessage: If it is no answer, or names no endpoint.

    """
    bullet = Venue.decode(ANSWER, answer or b"").data
    if not bullet.instance_servers:
        raise MalformedMessage("the token came without a server")
    place = bullet.instance_servers[0].endpoint if base is None else base
    connection = zlib.crc32(bullet.token.encode())
    return f"{place}?token={quote(bullet.token, safe='')}&connectId={connection}"
