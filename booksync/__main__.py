"""``python -m booksync``, and the ``booksync`` command."""

from __future__ import annotations

import sys

__all__ = ["main"]

#: What the extra ``cli`` installs.
EXTRA = ("rich", "typer")


def main() -> None:
    """Run the command line; say how to install it where it is not."""
    try:
        from booksync.cli.app import run  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        sys.stderr.write(
            f"booksync: the command line needs {error.name}, of an extra: "
            f"pip install 'booksync[cli]'\n"
        )
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    raise SystemExit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
