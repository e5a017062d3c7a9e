"""Tell what kind of failure a sentence of rclone reports.

The table was measured on rclone 1.75.2; order matters, the first match decides. Pure.
"""

from __future__ import annotations

import re
from enum import StrEnum

from bm_sync.errors import BmSyncError


class Fault(StrEnum):
    """What a failure means for the caller; only TRANSIENT and DAEMON are worth the same try."""

    TRANSIENT = "transient"
    AUTH = "auth"
    FULL = "full"
    FORBIDDEN = "forbidden"
    MISSING = "missing"
    STORE_MISSING = "store-missing"
    CHANGED = "changed"  # a conditional write was refused: someone else wrote meanwhile
    NAME = "name"
    SOURCE_CHANGED = "source-changed"
    CONFIG = "config"
    CANCELLED = "cancelled"
    DAEMON = "daemon"
    OTHER = "other"


class RcloneError(BmSyncError):
    """A failure that rclone reports, in its own sentence, secrets removed."""

    def __init__(self, what: str, *, fault: Fault, hint: str | None = None) -> None:
        super().__init__(what, hint=hint)
        self.fault = fault


_TABLE: tuple[tuple[Fault, str], ...] = (
    (Fault.CHANGED, r"StatusCode: (412|409)|PreconditionFailed|ConditionalRequestConflict"),
    (Fault.CANCELLED, r"context canceled|operation was canceled"),
    (
        Fault.AUTH,
        (
            r"InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|invalid_grant"
            r"|StatusCode: 401|401 Unauthorized|: 401 |unable to authenticate|Unauthorized"
            r"|RequestTimeTooSkewed|couldn't fetch token|token expired|failed to get credentials"
        ),
    ),
    (
        Fault.FULL,
        (
            r"no space left on device|too big for remaining disk space|[Qq]uota ?[Ee]xceeded"
            r"|disk quota|InsufficientStorage|507 Insufficient|insufficient storage|storage full"
            r"|storageQuotaExceeded|StatusCode: 507"
        ),
    ),
    (
        Fault.SOURCE_CHANGED,
        (
            r"source file is being updated|corrupted on transfer|BadDigest|ContentSHA256Mismatch"
            r"|failed to open source object.*(no such file|not found)"
            r"|size differ|sizes differ|hashes? differ|vanished"
        ),
    ),
    (Fault.STORE_MISSING, r"NoSuchBucket|bucket (does not exist|not found)|bucket doesn't exist"),
    (
        Fault.TRANSIENT,
        (
            r"connection refused|connection reset|reset by peer|broken pipe|no such host"
            r"|timed? ?out"
            r"|timeout|request send failed|StatusCode: (5\d\d|429|423|408|0\b)"
            r"|429 Too Many|423 Locked|SlowDown"
            r"|\b50[0234] |server misbehaving|unexpected EOF|\bEOF\b|GOAWAY|TLS handshake"
            r"|network is unreachable|no route to host|i/o deadline|deadline exceeded"
            r"|SetModTime failed: .*(not found|no such file|does not exist)"
            r"|rateLimitExceeded|use of closed network connection|couldn't connect|connection lost"
        ),
    ),
    (
        Fault.NAME,
        (
            r"file name too long|[Ii]nvalid (file ?|object ?)name|invalid argument|illegal byte"
            r"|KeyTooLong|invalid characters|incorrect name|InvalidObjectName"
        ),
    ),
    (
        Fault.FORBIDDEN,
        (
            r"AccessDenied|permission denied|StatusCode: 403|403 Forbidden|: 403 "
            r"|read-only file system"
            r"|operation not permitted|Forbidden|not permitted"
        ),
    ),
    (
        Fault.CONFIG,
        (
            r"didn't find section|invalid choice|unsupported|unknown (type|backend)"
            r"|(didn't|couldn't) find backend"
            r"|couldn't parse|failed to parse|bad encoding|is a file not a directory|not a valid"
            r"|Didn't find key|unknown flag|failed to set"
        ),
    ),
    (
        Fault.MISSING,
        (
            r"not found|no such file or directory|NoSuchKey|StatusCode: 404|404 Not Found"
            r"|doesn't exist|does not exist"
        ),
    ),
)
_COMPILED = tuple((fault, re.compile(pattern)) for fault, pattern in _TABLE)


def classify(text: str) -> Fault:
    """Return the fault that rclone's sentence `text` reports; OTHER when it is not known."""
    return next((fault for fault, pattern in _COMPILED if pattern.search(text)), Fault.OTHER)
