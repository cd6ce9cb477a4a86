"""The two seams to the network: a stream of frames, and requests with answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import httpx
from msgspec import Struct
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidURI, WebSocketException

from booksync.errors import (
    ConfigurationError,
    MalformedMessage,
    TransportError,
    legible,
    redacted,
)
from booksync.framing import FramedConnection
from booksync.venues.base import bounded_gunzip
from booksync.venues.facts import Request

__all__ = ["Answer", "Rest", "Stream", "Transport"]

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
OPEN_TIMEOUT = 10.0
CLOSE_TIMEOUT = 1.0
#: Seconds between our protocol pings, and how long a pong may take: a half-open
#: connection is found after their sum at the latest.
PING_INTERVAL = 20.0
PING_TIMEOUT = 20.0
#: Largest body of an HTTP answer, after decompression.
MAX_BODY = 64 * 1024 * 1024
#: The first status that refuses a request: what it says counts without its body.
REFUSED = 400


class Answer(Struct, frozen=True):
    """An HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Stream(Protocol):
    """One open connection."""

    async def send(self, frame: str | bytes) -> None:
        """Send a frame; a text frame from text, a binary one from bytes."""

    async def close(self) -> None:
        """Close it; idempotent."""

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Frames until it closes; then stops, or raises TransportError."""


class Rest(Protocol):
    """Requests to one base URL."""

    async def request(self, request: Request) -> Answer:
        """
        Send ``request``.

        Raises:
            TransportError: If there is no whole answer.

        """

    async def close(self) -> None:
        """Close connections; idempotent."""


def checked_url(url: str, schemes: tuple[str, str], *, plain: bool) -> str:
    """
    Refuse a URL that is none, or that would send data in the clear.

    Args:
        url: As the user or the venue wrote it.
        schemes: ``(encrypted, plain)``.
        plain: Whether the user allowed plain text beyond this machine.

    Raises:
        ConfigurationError: If it is refused; says what to do.

    """
    shown = redacted(url)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # both may raise
    except ValueError as error:
        raise ConfigurationError(f"not a URL: {shown!r} ({error})") from None
    if parts.scheme not in schemes or not host:
        wanted = " or ".join(f"{scheme}://" for scheme in schemes)
        raise ConfigurationError(f"not a URL: {shown!r} (it must begin with {wanted})")
    if parts.scheme == schemes[1] and host not in LOOPBACK and not plain:
        raise ConfigurationError(
            f"{shown!r} is not encrypted: use {schemes[0]}://, or allow it with "
            f"allow_plain=True"
        )
    return url.rstrip("/")


class WebSocketStream:
    """A :class:`Stream` by ``websockets``."""

    def __init__(self, connection: FramedConnection) -> None:
        self._connection = connection

    async def send(self, frame: str | bytes) -> None:
        """Send a frame."""
        try:
            await self._connection.send(frame)
        except ConnectionClosed as error:
            raise TransportError(legible(str(error))) from None

    async def close(self) -> None:
        """Close it; who has no time for the venue's answer cuts it."""
        try:
            await self._connection.close()
        except asyncio.CancelledError:
            self._connection.transport.abort()
            raise

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Yield frames until it closes."""
        frames, more = self._connection.frames, self._connection.more
        try:
            while True:
                while frames:
                    yield frames.popleft()
                await more()
        except ConnectionClosed as error:
            raise TransportError(legible(str(error))) from None


class HttpxRest:
    """A :class:`Rest` by ``httpx``: verified TLS, no redirects, bounded bodies."""

    def __init__(self, base: str, *, timeout: float, proxy: str | None) -> None:
        self._base = base
        self._timeout = timeout
        try:
            self._client = httpx.AsyncClient(
                timeout=timeout, proxy=proxy, follow_redirects=False
            )
        except (ValueError, ImportError) as error:
            raise ConfigurationError(f"cannot use the proxy: {error}") from None

    async def request(self, request: Request) -> Answer:
        """Send ``request`` and read the whole answer."""
        try:
            return await self._request(request)
        except TimeoutError:
            raise TransportError(f"no answer within {self._timeout:g} s") from None
        except httpx.InvalidURL as error:
            raise ConfigurationError(f"not a URL: {error}") from None
        except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: closed
            reason = legible(str(error)) or type(error).__name__
            raise TransportError(f"{redacted(self._base)}: {reason}") from None

    async def _request(self, request: Request) -> Answer:
        end = asyncio.get_running_loop().time() + self._timeout
        made = self._client.build_request(
            request.method,
            self._base + request.path,
            params=dict(request.params),
            content=request.body,
            headers={"accept-encoding": "gzip", **request.headers},
        )
        async with asyncio.timeout_at(end):
            response = await self._client.send(made, stream=True)
        try:
            async with asyncio.timeout_at(end):
                body = await _body(response)
        except (TransportError, httpx.HTTPError, TimeoutError):
            if response.status_code < REFUSED:
                raise
            body = b""  # who cannot read a refusal must not ask again at once
        finally:
            await response.aclose()
        return Answer(
            status=response.status_code,
            headers={k.lower(): v for k, v in response.headers.items()},
            body=body,
            url=str(response.url),
        )

    async def close(self) -> None:
        """Close connections."""
        await self._client.aclose()


async def _body(response: httpx.Response) -> bytes:
    chunks: list[bytes] = []
    size = 0
    # Raw: what is compressed is unpacked only within the bound.
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > MAX_BODY:
            raise TransportError(f"an answer of more than {MAX_BODY} bytes")
        chunks.append(chunk)
    encoding = response.headers.get("content-encoding", "")
    return _unpacked(b"".join(chunks), encoding.strip().lower())


def _unpacked(body: bytes, encoding: str) -> bytes:
    """Undo one layer of gzip or deflate, within ``MAX_BODY``; nothing else."""
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise TransportError(f"an answer encoded as {encoding[:40]!r}")
    try:
        return bounded_gunzip(body, MAX_BODY)
    except MalformedMessage as error:
        raise TransportError(str(error)) from None


class _Connect(connect):
    """``websockets`` without redirects: another host is another venue."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Follow none."""
        return exc


class Transport:
    """
    Opens streams and requests; the one place that knows the network libraries.

    Args:
        proxy: URL of a proxy for both; ``None`` = what the environment says.
        timeout: Seconds that a request may take as a whole.
        ping: ``(interval, timeout)`` of protocol pings, in seconds.
        allow_plain: Allow unencrypted URLs beyond this machine.

    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        timeout: float = 10.0,
        ping: tuple[float, float] = (PING_INTERVAL, PING_TIMEOUT),
        allow_plain: bool = False,
    ) -> None:
        self.proxy = proxy
        self.timeout = timeout
        self.ping = ping
        self.allow_plain = allow_plain

    async def stream(
        self, url: str, *, headers: Mapping[str, str], frame_bytes: int
    ) -> Stream:
        """
        Open a websocket.

        Args:
            url: ``wss://…``; ``ws://`` on this machine only, unless allowed.
            headers: Of the handshake.
            frame_bytes: Largest frame accepted, after decompression.

        Raises:
            TransportError: If it does not open.
            ConfigurationError: If the URL is none.

        """
        checked_url(url, ("wss", "ws"), plain=self.allow_plain)
        framed = partial(FramedConnection, limit=frame_bytes)
        try:
            connection = await _Connect(
                url,
                additional_headers=dict(headers),
                max_size=frame_bytes,
                open_timeout=OPEN_TIMEOUT,
                close_timeout=CLOSE_TIMEOUT,
                ping_interval=self.ping[0],
                ping_timeout=self.ping[1],
                proxy=self.proxy if self.proxy is not None else True,
                create_connection=cast("Any", framed),
            )
        except InvalidURI as error:
            raise ConfigurationError(f"not a URL: {error}") from None
        except ImportError as error:
            raise ConfigurationError(f"cannot use the proxy: {error}") from None
        except (OSError, WebSocketException, TimeoutError, UnicodeError) as error:
            reason = legible(str(error)) or type(error).__name__
            raise TransportError(f"{redacted(url)}: {reason}") from None
        return WebSocketStream(cast("FramedConnection", connection))

    def rest(self, base: str) -> Rest:
        """
        Make a client for requests below ``base``.

        Raises:
            ConfigurationError: If the URL is none.

        """
        checked_url(base, ("https", "http"), plain=self.allow_plain)
        return HttpxRest(base, timeout=self.timeout, proxy=self.proxy)
