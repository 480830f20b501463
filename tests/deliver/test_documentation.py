"""What `docs/destinations.md` shows is what happens."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from transcode.contract.job import Envelope
from transcode.deliver.targets import FORMS, SHAPES
from transcode.deliver.webhook import sign, webhook_keys

from .conftest import WEBHOOK_SECRET

PAGE = Path(__file__).resolve().parents[2] / "docs" / "destinations.md"


def shown(language: str) -> str:
    """The first block of that language on the page."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]


def test_the_example_is_an_envelope() -> None:
    """And names every field of one."""
    example = Envelope.from_json(shown("json"))

    assert set(Envelope.model_fields) == example.model_fields_set


@pytest.mark.parametrize("word", [*FORMS.replace(",", " ").split(), *SHAPES[1:]])
def test_every_form_is_on_the_page(word: str) -> None:
    """A form that is not documented is found by nobody."""
    assert word.split("://", maxsplit=1)[0].removesuffix("…") in PAGE.read_text("utf-8")


@pytest.mark.parametrize(
    ("late", "body", "secret"),
    [
        (0, b"{}", WEBHOOK_SECRET),
        (0, b"{} ", WEBHOOK_SECRET),
        (301, b"{}", WEBHOOK_SECRET),
        (0, b"{}", "whsec_" + "b" * 44),
    ],
)
def test_the_verifier_takes_ours_and_nothing_else(
    late: int, body: bytes, secret: str
) -> None:
    """Changed, old, or signed with another key: not ours."""
    page: dict[str, Any] = {}
    exec(shown("python"), page)  # noqa: S102 - our own page
    sent = int(time.time()) - late
    signature = sign(b"{}", id="a", timestamp=sent, keys=webhook_keys(WEBHOOK_SECRET))
    headers = {
        "webhook-id": "a",
        "webhook-timestamp": str(sent),
        "webhook-signature": f"v1,other {signature}",
    }

    if (late, body, secret) == (0, b"{}", WEBHOOK_SECRET):
        page["verify"](secret, headers, body)
    else:
        with pytest.raises(ValueError, match="not from us"):
            page["verify"](secret, headers, body)
