"""What is asked of FunctionGraph's API, signed with AK and SK."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args
from urllib.parse import quote, urlsplit

from ..errors import DestinationDown
from ..platforms.huawei_signing import Keys, authorization
from .http import Http, Reply
from .message import Notice
from .response import judge
from .targets import GraphFunction

_STATUS_BYTES = 256 * 1024
"""A function's whole configuration is some 10 KiB at most, a list of triggers more."""

AsyncState = Literal["WAIT", "RUNNING", "SUCCESS", "FAIL", "DISCARD"]
"""Of an asynchronous invocation; `ListAsyncInvocations`."""


@dataclass(frozen=True, slots=True)
class AsyncStatus:
    """What FunctionGraph keeps of an asynchronous invocation."""

    state: AsyncState
    error_code: str = ""
    error_message: str = ""


@dataclass(frozen=True, slots=True)
class FunctionCalls:
    """Calls with *keys*; *now* is the time in UTC. All raise `DeliveryError`."""

    http: Http
    keys: Keys
    now: Callable[[], datetime]

    async def invoke(
        self, function: GraphFunction, body: bytes, *, memory_mib: int | None = None
    ) -> str:
        """
        Queue an asynchronous invocation, in *memory_mib* where the function has dynamic
        memory; what it is called by.
        """
        headers = {"Content-Type": "application/json"}
        if memory_mib is not None:
            headers["X-Cff-Instance-Memory"] = str(memory_mib)
        reply = await self._ask(
            function, "POST", "/invocations-async", headers=headers, body=body
        )
        return str(_document(reply).get("request_id", ""))

    async def status(
        self, function: GraphFunction, request_id: str
    ) -> AsyncStatus | None:
        """None where nothing is kept, as with `enable_async_status_log` off."""
        reply = await self._ask(
            function, "GET", "/async-invocations", query=f"request_id={request_id}"
        )
        for one in _document(reply).get("invocations", ()):
            if one.get("request_id") == request_id:
                state = one.get("status")
                if state in get_args(AsyncState):
                    return AsyncStatus(
                        state,
                        str(one.get("error_code") or ""),
                        str(one.get("error_message") or ""),
                    )
        return None

    async def cancel(self, function: GraphFunction, request_id: str) -> None:
        """Stop it at once."""
        body = json.dumps({"request_id": request_id, "type": "force"}).encode()
        headers = {"Content-Type": "application/json"}
        await self._ask(function, "POST", "/cancel", headers=headers, body=body)

    async def manage(
        self,
        function: GraphFunction,
        method: Literal["GET", "POST", "PUT", "DELETE"],
        path: str,
        *,
        query: str = "",
        document: Mapping[str, Any] | None = None,
    ) -> Any:
        """
        What the API says at *path* (below `/v2/<project>/fgs`) of *function*'s project.
        """
        body = b"" if document is None else json.dumps(document).encode()
        reply = await self._send(
            function,
            method,
            path,
            query=query,
            headers={"Content-Type": "application/json"},
            body=body,
        )
        return _parsed(reply)

    async def _ask(  # noqa: PLR0913 - one request
        self,
        function: GraphFunction,
        method: Literal["GET", "POST"],
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Reply:
        return await self._send(
            function,
            method,
            f"/functions/{quoted(function.urn)}{path}",
            query=query,
            headers=headers,
            body=body,
        )

    async def _send(  # noqa: PLR0913 - one request
        self,
        function: GraphFunction,
        method: str,
        path: str,
        *,
        query: str,
        headers: Mapping[str, str] | None,
        body: bytes,
    ) -> Reply:
        url = f"{function.endpoint}/v2/{function.project}/fgs{path}"
        url += f"?{query}" if query else ""
        signed = dict(headers or {}) | {
            "Host": urlsplit(url).netloc,
            "X-Project-Id": function.project,
            "X-Sdk-Date": self.now().strftime("%Y%m%dT%H%M%SZ"),
        }
        if self.keys.token:
            signed["X-Security-Token"] = self.keys.token
        signature = authorization(
            method, url, headers=signed, body=body, keys=self.keys
        )
        reply = await self.http.ask(
            function,
            method,
            url,
            body=body,
            headers=signed | {"Authorization": signature},
            most=_STATUS_BYTES,
        )
        judge(
            function, reply.status, answer=reply.answer, retry_after=reply.retry_after
        )
        return reply


def quoted(urn: str) -> str:
    """A function's name as it stands in a path."""
    return quote(urn, safe="~")


class GraphSender:
    """Tells a function of a result."""

    def __init__(self, calls: FunctionCalls) -> None:
        self._calls = calls

    async def send(self, target: GraphFunction, notice: Notice) -> None:
        """Return once the invocation is queued; raises `DeliveryError`."""
        await self._calls.invoke(target, notice.body)


def _document(reply: Reply) -> Mapping[str, Any]:
    found = _parsed(reply)
    return found if isinstance(found, dict) else {}


def _parsed(reply: Reply) -> Any:
    try:
        return json.loads(reply.answer or "{}")
    except ValueError as exc:
        raise DestinationDown("FunctionGraph answered with no JSON.") from exc
