"""
Everything booksync raises.

* :exc:`BookSyncError`
    * :exc:`ConfigurationError` -- the caller asked for something impossible
    * :exc:`BookNotLive` -- a book was read while it could not be trusted
    * :exc:`VenueError` -- the venue sent something that cannot be used
        * :exc:`MalformedMessage` -- a frame or a number does not parse
        * :exc:`SubscriptionRejected` -- the venue said no
    * :exc:`TransportError` -- the network failed; retrying may help
    * :exc:`RecordingError` -- a recording cannot be read

A sequence gap is not here: it is an event, not an error.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

__all__ = [
    "BookNotLive",
    "BookSyncError",
    "ConfigurationError",
    "MalformedMessage",
    "RecordingError",
    "SubscriptionRejected",
    "TransportError",
    "VenueError",
    "legible",
    "redacted",
]

#: Characters of a venue's words that are passed on.
WORDS = 500
#: Query parameters whose values never reach a recording or a log.
SECRETS = {"token", "apikey", "api_key", "signature", "sign", "passphrase", "connectid"}


def legible(words: str) -> str:
    r"""
    Make a venue's words fit for logs and terminals: one line, no control characters.

    >>> legible("no\x1b[31m such\nsymbol")
    'no?[31m such?symbol'
    """
    return "".join(c if c.isprintable() else "?" for c in words[:WORDS])


def redacted(url: str) -> str:
    """
    Hide the secrets of a URL: user info and the values of known parameters.

    >>> redacted("wss://user:pass@host/ws?token=abc&symbol=X")
    'wss://host/ws?token=REDACTED&symbol=X'

    What is no URL loses whatever might be one of these.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("?")[0].rpartition("@")[2]
    query = parts.query
    if query:
        pairs = parse_qsl(query, keep_blank_values=True)
        if any(key.lower() in SECRETS for key, _ in pairs):
            query = urlencode(
                [(k, "REDACTED" if k.lower() in SECRETS else v) for k, v in pairs]
            )
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, query, parts.fragment))


class BookSyncError(Exception):
    """Base class of every exception that booksync defines."""


class ConfigurationError(BookSyncError):
    """Raised when an argument is invalid or names an unknown venue."""


class BookNotLive(BookSyncError):
    """
    Raised on reading a book that is withheld.

    Args:
        symbol: Whose book it is.
        cause: Why it is withheld, in one word (``Cause.value``).

    """

    def __init__(self, symbol: str, cause: str) -> None:
        super().__init__(f"the book of {symbol or 'this symbol'} is withheld: {cause}")
        self.symbol = symbol
        self.cause = cause


class VenueError(BookSyncError):
    """Base class of exceptions caused by what a venue sent."""


class MalformedMessage(VenueError):
    """
    Raised when a frame, a body or a number is not what the venue documents.

    Args:
        reason: What is wrong with it, for people.
        symbol: Whose message it was, where that much could be read.

    """

    def __init__(self, reason: str, symbol: str | None = None) -> None:
        self.reason = legible(reason)
        self.symbol = symbol
        super().__init__(self.reason)


class SubscriptionRejected(VenueError):
    """
    Raised when the venue refuses a symbol.

    Args:
        symbol: The refused symbol; ``None`` where the venue does not say.
        reason: The venue's own words.

    """

    def __init__(self, symbol: str | None, reason: str) -> None:
        self.symbol = symbol
        self.reason = legible(reason)
        what = legible(symbol[:64]) if symbol else "a subscription"
        super().__init__(f"the venue rejects {what}: {self.reason}")


class TransportError(BookSyncError):
    """Raised when a connection or a request fails below the venue's protocol."""


class RecordingError(BookSyncError):
    """Raised when a recording cannot be read."""
