"""The values that every room shares.

Frozen, closed, without I/O.
"""
