"""
The command line: one module a command, on ``typer`` and ``rich`` (extra ``cli``).

Only :mod:`booksync.cli.table` works without the extra.
"""
