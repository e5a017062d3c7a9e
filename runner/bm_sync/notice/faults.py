"""Why a target could not be told."""

from __future__ import annotations


class NoticeError(Exception):
    """A target could not be told; its text names no address and no secret."""
