"""A POST over HTTP: the only module of this stage that knows aiohttp."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import ResolveResult
from yarl import URL

from ..access.peers import is_link_local
from ..errors import DestinationDown, DestinationRefused
from ..version import __version__
from .response import retry_after
from .targets import Target

_CONNECT_SECONDS = 5.0
_ANSWER_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    retry_after: float | None
    """Seconds."""
    answer: str
    """The beginning of the body."""


class Http:
    """
    Connections that are shared and closed with the block.

    Redirects are not followed, cookies are not kept, proxies and `.netrc` of the
    environment are not used, and of an answer no more than 1 KiB is read.
    """

    def __init__(
        self,
        attempt_seconds: float,
        *,
        may_be_private: Callable[[str], bool] = lambda _host: False,
    ) -> None:
        """
        *may_be_private*: whether a host may be where clouds keep the keys of their
        machines (link-local addresses). Others in private networks are the operator's,
        who names destinations.
        """
        self._may_be_private = may_be_private
        self._session = aiohttp.ClientSession(
            # What it answers is what is connected to: no name leads elsewhere by then.
            connector=aiohttp.TCPConnector(resolver=_Resolver(may_be_private)),
            timeout=aiohttp.ClientTimeout(
                total=attempt_seconds, connect=min(attempt_seconds, _CONNECT_SECONDS)
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": f"transcode/{__version__}"},
        )
        self._attempt_seconds = attempt_seconds

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def post(
        self, target: Target, url: str, *, body: bytes, headers: Mapping[str, str]
    ) -> Reply:
        """As `ask`."""
        return await self.ask(target, "POST", url, body=body, headers=headers)

    async def ask(  # noqa: PLR0913 - one request
        self,
        target: Target,
        method: str,
        url: str,
        *,
        body: bytes,
        headers: Mapping[str, str],
        most: int | None = None,
    ) -> Reply:
        """
        At *most* so many bytes of the answer are read; a kilobyte by default.

        What they answered, of whatever status. Raises `DestinationDown` where there
        was no whole answer, `DestinationRefused` where the address cannot be called;
        neither quotes the address.
        """
        host = urlsplit(url).hostname or ""
        if is_link_local(host) and not self._may_be_private(host):
            raise DestinationRefused(
                f"{target.name} is not called: {_KEYS}.", destination=target.name
            )
        try:
            # As written: what is signed and what is sent must be the same.
            async with self._session.request(
                method,
                URL(url, encoded=True),
                data=body,
                headers=headers,
                allow_redirects=False,
            ) as response:
                answer = await _read(response, most or _ANSWER_BYTES)
                return Reply(
                    status=response.status,
                    retry_after=retry_after(response.headers, datetime.now(UTC)),
                    answer=answer.decode("utf-8", "replace"),
                )
        except TimeoutError as exc:
            raise DestinationDown(
                f"{target.name} gave no answer in {self._attempt_seconds:g} s.",
                destination=target.name,
            ) from exc
        except (aiohttp.InvalidURL, aiohttp.ClientConnectorCertificateError) as exc:
            why = "its certificate is not trusted"
            if isinstance(exc, aiohttp.InvalidURL):
                why = "its address is no valid URL"
            raise DestinationRefused(
                f"{target.name} cannot be called: {why}.", destination=target.name
            ) from None
        except (aiohttp.ClientError, OSError) as exc:
            raise DestinationDown(
                f"{target.name} cannot be reached: {_why(exc)}.",
                destination=target.name,
            ) from None


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    found = b""
    while len(found) < most:
        piece = await response.content.read(most - len(found))
        if not piece:
            break
        found += piece
    return found


_KEYS = (
    "it lies where clouds keep the keys of their machines, and TRANSCODE_PRIVATE_HOSTS "
    "does not name it"
)


class _Resolver(aiohttp.ThreadedResolver):
    """Names without the addresses at which nobody is to be told anything."""

    def __init__(self, may_be_private: Callable[[str], bool]) -> None:
        super().__init__()
        self._may_be_private = may_be_private

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        left = [it for it in found if not is_link_local(it["host"])]
        if not left and not self._may_be_private(host):
            raise OSError(errno.EACCES, _KEYS)
        return left or found


def _why(exc: Exception) -> str:
    """Without what aiohttp quotes of the request."""
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror.lower()
    return f"the connection broke ({type(exc).__name__})"
