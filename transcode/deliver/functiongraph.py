"""A notice → an asynchronous invocation on FunctionGraph, signed with AK and SK."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote, urlsplit

from ..platforms.huawei_signing import Keys, authorization
from .http import Http
from .message import Notice
from .response import judge
from .targets import GraphFunction


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
