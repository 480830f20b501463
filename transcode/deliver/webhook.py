"""A notice → a signed POST, as the Standard Webhooks specification has it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..errors import SettingsError
from .message import Notice
from .response import judge
from .targets import Webhook

if TYPE_CHECKING:
    # It loads aiohttp; whoever delivers in a folder needs none of it.
    from .http import Http


class WebhookSender:
    """Sends with *keys*; *seconds* is the time since 1970."""

    def __init__(
        self, http: Http, keys: Sequence[bytes], seconds: Callable[[], float]
    ) -> None:
        self._http = http
        self._keys = keys
        self._seconds = seconds

    async def send(self, target: Webhook, notice: Notice) -> None:
        """Return once they took it; raises `DeliveryError`."""
        # Signed for each try: verifiers refuse what is older than five minutes.
        now = int(self._seconds())
        reply = await self._http.post(
            target,
            target.url,
            body=notice.body,
            headers={
                "Content-Type": "application/json",
                "Idempotency-Key": notice.id,
                "webhook-id": notice.id,
                "webhook-timestamp": str(now),
                "webhook-signature": sign(
                    notice.body, id=notice.id, timestamp=now, keys=self._keys
                ),
            },
        )
        judge(target, reply.status, answer=reply.answer, retry_after=reply.retry_after)


_PREFIX = "whsec_"


_SHORTEST, _LONGEST = 24, 64


"""Bytes of a key that the specification allows."""


def webhook_keys(text: str) -> tuple[bytes, ...]:
    """
    The keys in a setting: `whsec_` and base64, several separated by white space while
    one replaces another. Raises `SettingsError`, which does not quote them.
    """
    return tuple(_key(word) for word in text.split())


def sign(body: bytes, *, id: str, timestamp: int, keys: Sequence[bytes]) -> str:  # noqa: A002 - the specification's word
    """The value of `webhook-signature`: HMAC-SHA256 of `id.timestamp.body`, base64."""
    signed = f"{id}.{timestamp}.".encode() + body
    digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{base64.b64encode(d).decode('ascii')}" for d in digests)


def _key(word: str) -> bytes:
    try:
        key = base64.b64decode(word.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not word.startswith(_PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
        raise SettingsError(
            "TRANSCODE_WEBHOOK_SECRET is wrong: it is 'whsec_' and 24 to 64 random "
            'bytes in base64. Make one: echo "whsec_$(openssl rand -base64 32)".',
            setting="TRANSCODE_WEBHOOK_SECRET",
        )
    return key
