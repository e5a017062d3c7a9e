"""A small S3 client of our own (Signature Version 4), so that tests look at a store by themselves.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import time
import xml.etree.ElementTree as ET
from urllib.parse import quote

from servers import BUCKET, KEY_ID, SECRET_KEY

_REGION = "us-east-1"


class Bucket:
    """One bucket on a loopback port."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def list(self, prefix: str) -> dict[str, tuple[object, ...]]:
        """Return ETag, size and time of every object below a prefix."""
        query = f"list-type=2&max-keys=1000&prefix={quote(prefix, safe='')}"
        found: dict[str, tuple[object, ...]] = {}
        token: str | None = ""
        while token is not None:
            more = f"&continuation-token={quote(token, safe='')}" if token else ""
            status, body, _ = self._ask("GET", "", query=query + more)
            assert status == 200, body
            token = None
            for item in ET.fromstring(body).iter():  # noqa: S314 - of our own server
                match item.tag.rpartition("}")[2]:
                    case "NextContinuationToken":
                        token = item.text
                    case "Contents":
                        told = {c.tag.rpartition("}")[2]: c.text for c in item}
                        key = told["Key"] or ""
                        if not key.endswith("/"):
                            found[key] = told["ETag"], told["Size"], told["LastModified"]
                    case _:
                        pass
        return found

    def get(self, key: str) -> tuple[bytes, float]:
        """Return an object and its modification time as rclone keeps it."""
        status, body, headers = self._ask("GET", key)
        assert status == 200, (key, status, body)
        return body, float(headers.get("x-amz-meta-mtime") or 0)

    def put(self, key: str, data: bytes, mtime: float) -> None:
        """Write an object."""
        status, body, _ = self._ask("PUT", key, data, {"x-amz-meta-mtime": f"{mtime:.9f}"})
        assert status == 200, (key, status, body)

    def delete(self, key: str) -> None:
        """Delete an object."""
        status, body, _ = self._ask("DELETE", key)
        assert status in (200, 204), (key, status, body)

    def _ask(
        self,
        method: str,
        key: str,
        data: bytes = b"",
        more: dict[str, str] | None = None,
        query: str = "",
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        path = quote(f"/{BUCKET}/{key}" if key else f"/{BUCKET}")
        headers = self._signed(method, path, data, more or {}, query)
        for last in (False, True):
            try:
                where = f"{path}?{query}" if query else path
                self._link.request(method, where, data or None, headers)
                answer = self._link.getresponse()
                return answer.status, answer.read(), answer.headers
            except (http.client.RemoteDisconnected, ConnectionError):  # it was idle for long
                self._link.close()
                if last:
                    raise
        raise AssertionError

    def _signed(
        self, method: str, path: str, data: bytes, more: dict[str, str], query: str
    ) -> dict[str, str]:
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        digest = hashlib.sha256(data).hexdigest()
        headers = {
            "host": f"127.0.0.1:{self._port}",
            "x-amz-content-sha256": digest,
            "x-amz-date": now,
            **more,
        }
        names = ";".join(sorted(headers))
        lines = "".join(f"{n}:{headers[n]}\n" for n in sorted(headers))
        ordered = "&".join(sorted(query.split("&"))) if query else ""
        request = f"{method}\n{path}\n{ordered}\n{lines}\n{names}\n{digest}"
        scope = f"{now[:8]}/{_REGION}/s3/aws4_request"
        text = "\n".join(
            ("AWS4-HMAC-SHA256", now, scope, hashlib.sha256(request.encode()).hexdigest())
        )
        key = f"AWS4{SECRET_KEY}".encode()
        for part in (*scope.split("/"), text):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        auth = f"AWS4-HMAC-SHA256 Credential={KEY_ID}/{scope}, SignedHeaders={names}, Signature="
        length = {"Content-Length": str(len(data))} if method == "PUT" else {}
        return {**headers, **length, "Authorization": auth + key.hex()}
