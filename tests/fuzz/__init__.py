"""
Fuzzers: what a venue sends may be anything, and nothing but the right errors come out.

One command for all venues, guided by coverage where atheris is installed (the extra
``fuzz``), else by chance alone::

    python -m tests.fuzz [venue ...] [--seconds N] [--jobs N] [--seed N]
    python -m tests.fuzz venue --replay FILE

``cases``    what is fed: a few records, as one string of bytes
``seeds``    records to begin with: the tests' frames, samples of every wire schema,
             recorded frames where they are at hand
``mutate``   makes of a case another one
``target``   feeds a case to a venue and an engine, and says what must not happen
"""
