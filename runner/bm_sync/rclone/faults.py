"""Tell what kind of failure a sentence of rclone reports, and its cause in plain words.

The tables were measured on rclone 1.75.2; order matters, the first match decides. Pure.
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
    """A failure that rclone reports: the cause in plain words where it is known.

    `said` is rclone's own sentence, secrets removed; "" where `what` is that sentence.
    """

    def __init__(self, what: str, *, fault: Fault, hint: str | None = None, said: str = "") -> None:
        super().__init__(what, hint=hint)
        self.fault = fault
        self.said = said

    @property
    def raw(self) -> str:
        """Return rclone's own sentence."""
        return self.said or self.what


NO_BUCKET = (
    r"NoSuchBucket|ContainerNotFound|([Bb]ucket|[Cc]ontainer) (does not exist|not found)"
    r"|bucket doesn't exist"
)
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
    (Fault.STORE_MISSING, NO_BUCKET),
    (Fault.CONFIG, r"server gave HTTP response to HTTPS|x509: |failed to verify certificate"),
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


_AT = r"(?:dial tcp |https?://)(?P<at>[^\s/\"']+)"
_PLAIN: tuple[tuple[str, str], ...] = (
    (r"dial tcp (?P<at>\S+): connect: connection refused", "{at} refuses the connection"),
    (r"lookup (?P<at>\S+?)(?: on \S+)?: no such host", "the host {at} cannot be found"),
    (r"lookup (?P<at>\S+?)(?: on \S+)?: .*", "the name of the host {at} cannot be looked up"),
    (
        rf"{_AT}.*server gave HTTP response to HTTPS client",
        "{at} speaks http, and https was asked for",
    ),
    (
        rf"{_AT}.*(?:x509|tls: failed to verify certificate): (?:x509: )?(?P<why>.*)",
        "the certificate of {at} is not trusted: {why}",
    ),
    (
        r"dial tcp (?P<at>\S+): (?:connect: )?(?:i/o timeout|connection timed out)",
        "{at} does not answer",
    ),
    (r"dial tcp (?P<at>\S+): connect: (?P<why>.*)", "{at} cannot be reached: {why}"),
    (rf"{_AT}.*(?:Client.Timeout|deadline exceeded)", "{at} does not answer in time"),
    ("InvalidAccessKeyId", "the store does not know the access key"),
    ("SignatureDoesNotMatch", "the secret key does not fit the access key"),
    ("ExpiredToken|InvalidToken", "the session token of the store has ended"),
    ("RequestTimeTooSkewed", "the clock of this machine and that of the store differ too much"),
    (NO_BUCKET, "the bucket does not exist"),
    ("QuotaExceeded|storageQuotaExceeded", "the quota of the account is used up"),
    ("StatusCode: 507|507 Insufficient|InsufficientStorage", "there is no room left on the store"),
    (
        r"operation error S3: (?P<what>\w+), .*(?:AccessDenied|StatusCode: 403)",
        "the store does not allow this account what was asked ({what}: access denied)",
    ),
    (
        r"error S3: (?P<what>\w+), .*StatusCode: (?P<code>[1-9]\d+),.*api error (?P<why>.*)",
        "the store answers {code} to {what}: {why}",
    ),
    (
        r"operation error S3: (?P<what>\w+), .*StatusCode: (?P<code>[1-9]\d+)",
        "the store answers {code} to {what}",
    ),
    (r"operation error S3: .*request send failed, (?P<why>.*)", "{why}"),
    (
        r"(?:401 Unauthorized|Unauthorized)",
        "the server refuses the user name or the password (401)",
    ),
    (
        r"ssh: unable to authenticate, attempted methods \[(?P<how>[^\]]*)\]",
        "the SSH server refuses the sign-in (tried: {how})",
    ),
)
_PLAINLY = tuple((re.compile(pattern), plain) for pattern, plain in _PLAIN)
_LISTING = "error in ListJSON: "


def plain(text: str) -> str:
    """Return the cause that rclone's sentence `text` reports, where it can be said plainly."""
    for pattern, words in _PLAINLY:
        found = pattern.search(text)
        if found is not None:
            return words.format(**found.groupdict()).rstrip(". ")
    return text.removeprefix(_LISTING)


HINTS = {
    Fault.AUTH: "check the keys of remote '{name}' ({origin})",
    Fault.CONFIG: "check the options of remote '{name}' ({origin})",
    Fault.FORBIDDEN: "check what the account of remote '{name}' may do ({origin})",
    Fault.FULL: "make room on remote '{name}', then run this again",
    Fault.TRANSIENT: "is it running, and reachable from here? bm-sync doctor looks at every remote",
    Fault.STORE_MISSING: "make it: bm-sync doctor --create-bucket {name}; or correct {origin}",
}
"""What to do about a remote, by the fault."""
_BY_CAUSE = (
    ("differ too much", "set the clock of this machine; a store refuses what seems old"),
    ("speaks http,", "write http:// in its endpoint or url ({origin})"),
    ("is not trusted", "name the right host, or the certificate's authority with SSL_CERT_FILE"),
    ("cannot be found", "correct the name in its endpoint, url or host ({origin})"),
)


def advice(error: RcloneError, name: str, origin: object) -> str | None:
    """Return what to do about an error of the remote `name`, declared at `origin`."""
    by_cause = (hint for words, hint in _BY_CAUSE if words in error.what)
    hint = next(by_cause, None) or HINTS.get(error.fault)
    return hint and hint.format(name=name, origin=origin)
