"""Who may call: a token, and no page of a browser that others wrote."""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from ..errors import UsageError
from .responses import HttpRefusal

_OURS = frozenset({"localhost"})
_SENT_FROM_HERE = frozenset({"same-origin", "none"})
"""Of `Sec-Fetch-Site`: the page is ours, or a person typed the address."""
_TELLS_OF_A_TOPIC = "x-amz-sns-message-type"
"""SNS posts JSON as text/plain. No page of another origin can send this header."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a caller must know, and how it must have addressed us."""

    tokens: tuple[str, ...] = ()
    """Any of them will do, while one replaces another; none: whoever reaches us may."""
    names: tuple[str, ...] | None = None
    """Hosts that we are called by, beside addresses and localhost; None: any, which is
    well where a token is asked for, since no browser has it."""

    def refuse(self, request: Request) -> None:
        """Raise `HttpRefusal`: 401, 403, or 421 for a host that is not ours."""
        self._refuse_pages(request)
        self._refuse_strangers(request)

    def _refuse_pages(self, request: Request) -> None:
        """
        Browsers send what any page tells them to, from inside the operator's network.

        A name that leads here today and elsewhere tomorrow ("DNS rebinding") makes
        that page one of our own; its `Host` gives it away.
        """
        host = request.headers.get("host", "")
        if host and not self._is_ours(host):
            raise HttpRefusal(
                421,
                UsageError(
                    f"This server is not called {_shown(host)}. Call it by its address,"
                    " or name it in TRANSCODE_HOSTS.",
                    setting="TRANSCODE_HOSTS",
                ),
            )
        origin = request.headers.get("origin")
        foreign = origin is not None and host_of(origin) != host.casefold()
        site = request.headers.get("sec-fetch-site")
        if foreign or (site is not None and site.strip() not in _SENT_FROM_HERE):
            raise HttpRefusal(
                403, UsageError("A page of another origin may not call this server.")
            )

    def _is_ours(self, host: str) -> bool:
        if set(host) & set("@/?#\\"):
            return False
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            wanted = name.rstrip(".")
            return self.names is None or wanted in _OURS or wanted in self.names
        return True

    def _refuse_strangers(self, request: Request) -> None:
        if not self.tokens:
            return
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        # Headers are bytes; a token that is no ASCII was sent as UTF-8.
        known = [
            hmac.compare_digest(given.strip().encode("latin-1"), token.encode())
            for token in self.tokens
        ]
        if kind.casefold() == "bearer" and any(known):
            return
        raise HttpRefusal(
            401,
            UsageError("Present the server's token: 'Authorization: Bearer …'."),
            {"WWW-Authenticate": "Bearer"},
        )


def refuse_foreign_kind(request: Request) -> None:
    """
    Raise `HttpRefusal` with 415 for a body that is not called JSON.

    What a page may send anywhere without asking is called text, a form, or nothing.
    """
    given = request.headers.get("content-type")
    empty = request.headers.get("content-length", "0").strip("0") == ""
    if given is None and empty and "transfer-encoding" not in request.headers:
        return
    kind = (given or "").partition(";")[0].strip().casefold()
    if kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        return
    if kind == "text/plain" and _TELLS_OF_A_TOPIC in request.headers:
        return
    raise HttpRefusal(
        415, UsageError("Send the body as 'Content-Type: application/json'.")
    )


def host_of(origin: str) -> str | None:
    """Host and port of an origin, as `Host` has them; None of `null` and worse."""
    try:
        return urlsplit(origin).netloc.casefold() or None
    except ValueError:
        return None


def _shown(host: str) -> str:
    return repr(host[:100])
