"""Signatures: checked by those who wrote the specifications."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
import standardwebhooks

from transcode.deliver.webhook import sign, webhook_keys
from transcode.errors import SettingsError
from transcode.platforms.huawei_signing import Keys, authorization

from .conftest import WEBHOOK_SECRET

AK, SK = "QTWAOYTTINDUT2QVKYUC", "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc"
PROJECT = "7aad83af3e8d42e99ac194e8419e2c9b"
INVOKE = (
    f"https://functiongraph.cn-north-4.myhuaweicloud.com/v2/{PROJECT}/fgs/functions/"
    f"urn%3Afss%3Acn-north-4%3A{PROJECT}%3Afunction%3Adefault%3Atold%3Alatest"
    "/invocations-async"
)


def test_the_specifications_example() -> None:
    """The vector of the Standard Webhooks specification's own libraries."""
    keys = webhook_keys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    signature = sign(
        b'{"test": 2432232314}',
        id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        keys=keys,
    )

    assert "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == signature


def test_two_keys_sign_twice() -> None:
    """While a key is replaced, a receiver may hold the old one or the new one."""
    other = "whsec_" + base64.b64encode(b"o" * 32).decode()
    keys = webhook_keys(f"{WEBHOOK_SECRET} {other}")

    both = sign(b"{}", id="a", timestamp=1, keys=keys)
    each = [sign(b"{}", id="a", timestamp=1, keys=[key]) for key in keys]

    assert both == " ".join(each)


@pytest.mark.parametrize(
    "secret",
    ["hush", "whsec_", "whsec_hush!", "whsec_aHVzaA==", WEBHOOK_SECRET + " hush"],
)
def test_a_wrong_secret_is_refused_and_not_quoted(secret: str) -> None:
    """The sentence says how to make a right one."""
    with pytest.raises(SettingsError, match="openssl rand") as no:
        webhook_keys(secret)

    assert "hush" not in no.value.describe().to_json()


def test_the_specifications_library_signs_the_same() -> None:
    """The specification's own Python library signs the same."""
    verifier = standardwebhooks.Webhook(WEBHOOK_SECRET)
    now = 2_000_000_000
    signature = sign(
        b'{"a": 1}', id="a-b", timestamp=now, keys=webhook_keys(WEBHOOK_SECRET)
    )

    expected = verifier.sign(
        msg_id="a-b", timestamp=datetime.fromtimestamp(now, UTC), data='{"a": 1}'
    )

    assert expected == signature


def test_huawei_clouds_documented_example() -> None:
    """Of "API Request Signing Guide", signature authentication mechanism."""
    url = (
        "https://service.region.example.com/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs"
        "?limit=2&marker=13551d6b-755d-4757-b956-536f674975c0"
    )
    headers = {
        "Content-Type": "application/json",
        "Host": "service.region.example.com",
        "X-Sdk-Date": "20191115T033655Z",
    }

    value = authorization("GET", url, headers=headers, body=b"", keys=Keys(AK, SK))

    assert (
        f"SDK-HMAC-SHA256 Access={AK}, SignedHeaders=content-type;host;x-sdk-date, "
        "Signature=7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe"
    ) == value


@pytest.mark.parametrize(
    ("token", "names", "signature"),
    [
        (
            None,
            "content-type;host;x-project-id;x-sdk-date",
            "6be96a0fdda7c055f4e92a9ab1748a4bd8e1d3eb292be76d0312e9d9334ba2fb",
        ),
        (
            "st-token",
            "content-type;host;x-project-id;x-sdk-date;x-security-token",
            "5df4e7ee6c76503066a9f87439cf9fea4881364914a06e2825a07e347ace6480",
        ),
    ],
)
def test_huawei_clouds_sdk_signs_the_same(
    token: str | None, names: str, signature: str
) -> None:
    """Made with huaweicloudsdkcore 3.1.219: an invocation, a URN in the path."""
    headers = {
        "Content-Type": "application/json",
        "Host": "functiongraph.cn-north-4.myhuaweicloud.com",
        "X-Project-Id": PROJECT,
        "X-Sdk-Date": "20261122T221500Z",
    }
    if token:
        headers["X-Security-Token"] = token

    value = authorization(
        "POST", INVOKE, headers=headers, body=b'{"k": "v"}', keys=Keys(AK, SK)
    )

    assert (
        f"SDK-HMAC-SHA256 Access={AK}, SignedHeaders={names}, Signature={signature}"
    ) == value


def test_keys_are_not_shown() -> None:
    """Not even in a traceback's locals."""
    assert "hush" not in repr(Keys("a", "hush", "hush"))
