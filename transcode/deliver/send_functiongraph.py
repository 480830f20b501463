"""A notice → an asynchronous invocation on FunctionGraph, signed with AK and SK."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote, urlsplit

from .answers import judge
from .http import Http
from .notices import Notice
from .targets import GraphFunction

_ALGORITHM = "SDK-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Keys:
    """What a request is signed with."""

    access: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    """With temporary keys."""


def authorization(
    method: str, url: str, *, headers: Mapping[str, str], body: bytes, keys: Keys
) -> str:
    """
    The value of `Authorization` for a request with *headers*, all of which are signed
    (`Host` and `X-Sdk-Date` must be among them).

    After "API Request Signing Guide" of Huawei Cloud, which has an example:
    https://support.huaweicloud.com/intl/en-us/devg-apisign/api-sign-algorithm-001.html
    """
    parts = urlsplit(url)
    lowered = {name.lower(): value.strip() for name, value in headers.items()}
    names = ";".join(sorted(lowered))
    path = parts.path if parts.path.endswith("/") else f"{parts.path}/"
    request = "\n".join(
        (
            method,
            path,
            "&".join(sorted(parts.query.split("&"))),
            *(f"{name}:{lowered[name]}" for name in sorted(lowered)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    digest = hashlib.sha256(request.encode()).hexdigest()
    signed = f"{_ALGORITHM}\n{lowered['x-sdk-date']}\n{digest}"
    signature = hmac.new(keys.secret.encode(), signed.encode(), hashlib.sha256)
    return (
        f"{_ALGORITHM} Access={keys.access}, SignedHeaders={names}, "
        f"Signature={signature.hexdigest()}"
    )


class GraphSender:
    """Sends with *keys*; *now* is the time in UTC."""

    def __init__(self, http: Http, keys: Keys, now: Callable[[], datetime]) -> None:
        self._http = http
        self._keys = keys
        self._now = now

    async def send(self, target: GraphFunction, notice: Notice) -> None:
        """Return once the invocation is queued; raises `DeliveryError`."""
        urn = quote(target.urn, safe="~")
        url = (
            f"{target.endpoint}/v2/{target.project}/fgs/functions/{urn}"
            "/invocations-async"
        )
        headers = {
            "Content-Type": "application/json",
            "Host": urlsplit(url).netloc,
            "X-Project-Id": target.project,
            "X-Sdk-Date": self._now().strftime("%Y%m%dT%H%M%SZ"),
        }
        if self._keys.token:
            headers["X-Security-Token"] = self._keys.token
        signature = authorization(
            "POST", url, headers=headers, body=notice.body, keys=self._keys
        )
        reply = await self._http.post(
            target,
            url,
            body=notice.body,
            headers=headers | {"Authorization": signature},
        )
        judge(target, reply.status, answer=reply.answer, retry_after=reply.retry_after)
