"""What a fuzzer feeds: a few records and a choice, as one string of bytes."""

from __future__ import annotations

import enum
from typing import NamedTuple

#: No text frame has this byte, as no UTF-8 has.
SEPARATOR = b"\n\xff"
#: Records of a case that are looked at.
MOST_RECORDS = 12


class Kind(enum.Enum):
    """What a record is."""

    TEXT = b"t"
    BINARY = b"b"
    SNAPSHOT = b"s"
    AUDIT = b"a"
    INSTRUMENTS = b"i"


class Record(NamedTuple):
    """A frame, or the body of an answer."""

    kind: Kind
    data: bytes

    @property
    def wire(self) -> str | bytes:
        """As the transport gives it: no text is other than valid UTF-8."""
        if self.kind is Kind.TEXT:
            return self.data.decode("utf-8", "replace")
        return self.data


class Case(NamedTuple):
    """
    Records in order, and how the venue is made that reads them.

    ``choice`` is a byte: bit 0 says whether numbers are floats, bit 1 whether every
    symbol is taken in, bit 2 whether there are two lines; the rest chooses the venue's
    options.
    """

    choice: int
    records: tuple[Record, ...]

    @property
    def floats(self) -> bool:
        """Whether numbers are floats."""
        return bool(self.choice & 1)

    @property
    def discover(self) -> bool:
        """Whether every symbol is taken in."""
        return bool(self.choice & 2)

    @property
    def lines(self) -> int:
        """Lines of each book."""
        return 2 if self.choice & 4 else 1

    @property
    def options(self) -> int:
        """Which of the venue's options."""
        return self.choice >> 3

    def encode(self) -> bytes:
        """Write it as bytes that stay readable."""
        parts = [record.kind.value + record.data for record in self.records]
        return bytes([self.choice]) + SEPARATOR.join(parts)

    @classmethod
    def decode(cls, data: bytes) -> Case:
        """Read any bytes; what does not say its kind is a text frame."""
        parts = data[1:].split(SEPARATOR)[:MOST_RECORDS]
        return cls(data[0] if data else 0, tuple(_record(part) for part in parts))


def _record(part: bytes) -> Record:
    try:
        return Record(Kind(part[:1]), part[1:])
    except ValueError:
        return Record(Kind.TEXT, part)
