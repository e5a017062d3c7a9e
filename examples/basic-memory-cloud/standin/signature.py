"""AWS Signature Version 4 of a request's headers.

Source: "Authenticating Requests: Using the Authorization Header" of the Amazon S3 API reference.
Not checked: that the body has the digest that was signed, the time of the request, and signatures
in the query (they are refused).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from urllib.parse import quote, unquote

from standin.wire import Request

_FORM = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=([^/,]+)/(\d{8})/([^/,]*)/([^/,]*)/aws4_request,\s*"
    r"SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})"
)


def fault_in(request: Request, secret_of: Callable[[str], str | None]) -> str:
    """Return the S3 error code of a request that is not signed as it should be, else ""."""
    found = _FORM.match(request.headers.get("Authorization", ""))
    if found is None:
        return "AccessDenied"
    key_id, day, region, service, names, signature = found.groups()
    secret = secret_of(key_id)
    if secret is None:
        return "InvalidAccessKeyId"
    scope = f"{day}/{region}/{service}/aws4_request"
    when = request.headers.get("X-Amz-Date", "")
    digest = hashlib.sha256(_canonical(request, names).encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{when}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    expected = hmac.new(key, text.encode(), "sha256").hexdigest()
    return "" if hmac.compare_digest(expected, signature) else "SignatureDoesNotMatch"


def _canonical(request: Request, names: str) -> str:
    parts = [p.partition("=") for p in request.raw_query.split("&") if p]
    pairs = sorted((_escaped(n), _escaped(v)) for n, _, v in parts)
    query = "&".join(f"{name}={value}" for name, value in pairs)
    headers = "".join(
        f"{name}:{','.join(' '.join(v.split()) for v in request.headers.get_all(name, []))}\n"
        for name in names.split(";")
    )
    body = request.headers.get("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
    path = quote(unquote(request.path, errors="surrogateescape"), errors="surrogateescape")
    return f"{request.method}\n{path}\n{query}\n{headers}\n{names}\n{body}"


def _escaped(text: str) -> str:
    return quote(unquote(text.replace("+", "%20")), safe="-_.~")
