"""
Venues that booksync does not ship: the protocols of captures that outlived them.

Each module is a plug-in as a third party would write one, and names no other: it
imports from ``booksync`` only and is registered by
``booksync.venues.load("tests.retired.kraken_v1:KrakenV1")`` (``--plugin`` on the
command line). What they know comes from the recorded frames themselves and from the
captures' ``MANIFEST.json`` (read 2026-11-22).
"""
