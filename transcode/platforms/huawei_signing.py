"""The signature of Huawei Cloud's APIs."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

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
