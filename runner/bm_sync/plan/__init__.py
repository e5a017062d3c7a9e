"""Decides what would happen to a project: an observation in, a plan out.

Pure: no file, no clock, no environment, no network is touched in this room.
"""
