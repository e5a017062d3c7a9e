"""Bm-sync: declare what is kept in sync, see every file before it moves, apply exactly that."""

__version__ = "0.1.0"
