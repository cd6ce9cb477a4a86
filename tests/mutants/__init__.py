"""Small lies told to the core, one at a time: its tests must notice each."""
