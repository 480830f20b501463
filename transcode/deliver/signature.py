"""How webhooks are signed: the Standard Webhooks specification."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from ..errors import SettingsError

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
