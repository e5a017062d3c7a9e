"""The sentence for a call that brought no answer: whom it went to, what happened, what now."""

from __future__ import annotations

import httpx

from bm_sync.cloud.calls import AnswerTooLargeError, refuses_certificate
from bm_sync.cloud.faults import CloudError, CloudFault, one_line


def unanswered(subject: str, error: Exception) -> CloudError:
    """Return the error for a call to `subject` that ended in `error`."""
    if isinstance(error, AnswerTooLargeError):
        what = f"{subject} gives an answer of more than 1 MiB"
        return CloudError(what, fault=CloudFault.GARBLED, hint="look at the address")
    if refuses_certificate(error):
        what = f"the certificate of {subject} is not trusted"
        hint = "look at the address and at the clock of this machine; SSL_CERT_FILE names your own"
        return CloudError(what, fault=CloudFault.DOWN, hint=hint)
    if isinstance(error, httpx.TimeoutException):
        what = f"{subject} does not answer in time"
    elif isinstance(error, httpx.ConnectError):
        what = f"cannot reach {subject}: {_plain(error)}"
    else:
        what = f"the connection to {subject} broke off: {_plain(error)}"
    hint = "look at the network, then run this again; nothing was changed"
    return CloudError(what, fault=CloudFault.DOWN, hint=hint)


def _plain(error: Exception) -> str:
    """Return the system's words for what went wrong, without its numbers."""
    said = one_line(str(error)) or type(error).__name__
    return said.partition("] ")[2] or said if said.startswith("[Errno") else said
