"""Failures of our WebDAV client in the words that the engine knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bm_sync.cloud.dav_wire import DavError, DavFault
from bm_sync.cloud.faults import CloudError, CloudFault, SignInError
from bm_sync.rclone.faults import Fault, RcloneError

_FAULTS: Mapping[DavFault, Fault] = {
    DavFault.CHANGED: Fault.CHANGED,
    DavFault.MISSING: Fault.MISSING,
    DavFault.CONFLICT: Fault.OTHER,
    DavFault.FORBIDDEN: Fault.FORBIDDEN,
    DavFault.FINITE: Fault.OTHER,
    DavFault.UNSUPPORTED: Fault.FORBIDDEN,
    DavFault.FULL: Fault.FULL,
    DavFault.INVALID: Fault.NAME,
    DavFault.BUSY: Fault.TRANSIENT,
    DavFault.DOWN: Fault.TRANSIENT,
    DavFault.GARBLED: Fault.OTHER,
}


@contextmanager
def told() -> Iterator[None]:
    """Raise failures of WebDAV, and of getting a token for it, as RcloneError.

    A sign-in that a person has to make stays what it is.
    """
    try:
        yield
    except DavError as e:
        raise RcloneError(e.what, fault=_FAULTS[e.fault], hint=e.hint) from e
    except SignInError:
        raise
    except CloudError as e:
        passes = e.fault in (CloudFault.DOWN, CloudFault.BUSY)
        fault = Fault.TRANSIENT if passes else Fault.OTHER
        raise RcloneError(e.what, fault=fault, hint=e.hint) from e
