"""Tests of booksync.testing."""
