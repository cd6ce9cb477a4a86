"""Venues: one file each, discovered, not listed."""
