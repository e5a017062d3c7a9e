"""What goes wrong between us and the service, as one kind of error with a fault in it.

The texts of the service are cut to one short line here; who prints them escapes them.
"""

from __future__ import annotations

from enum import StrEnum

from bm_sync.cloud.places import DEFAULT_HOST, Host
from bm_sync.errors import BmSyncError, NotSignedInError

PRICING = "https://basicmemory.com/pricing"
_SHOWN = 200  # characters of a text of the service


class CloudFault(StrEnum):
    """What a failure means for the caller."""

    SIGNED_OUT = "signed-out"
    SUBSCRIPTION = "subscription"
    FORBIDDEN = "forbidden"
    MISSING = "missing"
    CONFLICT = "conflict"
    INVALID = "invalid"
    BUSY = "busy"  # 429, after every retry
    DOWN = "down"  # no answer, or 5xx, after every retry
    GARBLED = "garbled"  # an answer that is not the service's


class CloudError(BmSyncError):
    """A failure of the service, or of the way to it."""

    def __init__(self, what: str, *, fault: CloudFault, hint: str | None = None) -> None:
        super().__init__(what, hint=hint)
        self.fault = fault
        self.passes = fault in (CloudFault.DOWN, CloudFault.BUSY)


class SignInError(CloudError, NotSignedInError):
    """A person has to sign in, or to subscribe (exit code 4)."""


class SubscriptionError(SignInError):
    """The account has no active subscription; `url` is where one is made."""

    def __init__(self, what: str, *, url: str) -> None:
        super().__init__(what, fault=CloudFault.SUBSCRIPTION, hint=f"subscribe at {url}")
        self.url = url


def login_command(host: Host) -> str:
    """Return the command that signs in at `host`."""
    return "bm-sync login" if host.url == DEFAULT_HOST else f"bm-sync login --host {host.url}"


def signed_out(host: Host, why: str, before: str = "") -> SignInError:
    """Return the error for a missing or refused credential.

    `before` is what has to be done before a new sign-in can count.
    """
    return SignInError(
        f"not signed in at {host.name}: {why}",
        fault=CloudFault.SIGNED_OUT,
        hint=f"{before}sign in with: {login_command(host)}",
    )


def one_line(text: str) -> str:
    """Return a text of the service as one line that is not too long."""
    said = " ".join(text[: 10 * _SHOWN].split())
    return said if len(said) <= _SHOWN else f"{said[: _SHOWN - 1]}…"
