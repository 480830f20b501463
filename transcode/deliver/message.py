"""A result → the bytes that one destination is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..contract import Manifest, Verification
from ..contract.job import Envelope
from ..errors import DestinationRefused
from .targets import Shape, Target

_URL = re.compile(r"\b(?:https?|wss?|ftp)://[^\s\"'<>\\]+", re.IGNORECASE)
_HIDDEN = "…"
_RESERVE_BYTES = 1024
"""For a message's attributes, which SQS and SNS count with its body."""
_PRIVATE_OPTIONS = ("on_success", "on_failure")
"""Addresses of destinations, which are none of each other's business."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What is sent, and the name under which a receiver knows it again."""

    id: str
    """The same on every delivery of one result: the idempotency key."""
    job_id: str
    status: str
    body: bytes
    """JSON in ASCII, so that every queue takes it."""
    linked: bool
    """True: the manifest did not fit and is to be fetched or was shortened."""


def compose(envelope: Envelope, target: Target, *, link: bool = False) -> Notice:
    """
    The notice for *target*, in the shape that it asks for and within its limit.

    What is too large, or with *link* in any case, goes without the manifest where
    `manifest_uri` leads to it; a failure, which has none, keeps a shortened manifest
    with its error. Addresses in it lose user names and queries: they may be signed.
    Raises `DestinationRefused` where even that does not fit.
    """
    limit = target.limit_bytes
    whole = None if link else _body(envelope, target.shape)
    for body, linked in (
        (whole, False),
        (_body(_linked(envelope), target.shape), True),
        (_body(_bare(envelope), target.shape), True),
    ):
        if body and (limit is None or len(body) <= limit - _RESERVE_BYTES):
            return Notice(
                id=envelope.id,
                job_id=envelope.job_id,
                status=envelope.status,
                body=body,
                linked=linked,
            )
    raise DestinationRefused(
        f"The notice {envelope.id} is too large for {target.name} even without its "
        f"manifest: {len(body or b'')} bytes, {limit} are allowed. Give the job fewer "
        "tags or options, or name a folder or webhook.",
        destination=target.name,
        bytes=len(body or b""),
        limit_bytes=limit,
    )


def scrub(value: object) -> Any:
    """JSON without user names, passwords and queries in the addresses in it."""
    if isinstance(value, str):
        return _URL.sub(_unsigned, value) if "://" in value else value
    if isinstance(value, Mapping):
        return {key: scrub(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [scrub(inner) for inner in value]
    return value


def _unsigned(found: re.Match[str]) -> str:
    address = found[0]
    try:
        url = urlsplit(address)
    except ValueError:
        return _HIDDEN
    host = url.netloc.rpartition("@")[2]
    query = f"?{_HIDDEN}" if url.query else ""
    return f"{url.scheme}://{host}{url.path}{query}"


def _body(envelope: Envelope, shape: Shape) -> bytes:
    notice = scrub(envelope.model_dump(mode="json"))
    options = notice["submission"]["options"]
    notice["submission"]["options"] = {
        name: value for name, value in options.items() if name not in _PRIVATE_OPTIONS
    }
    record = {"notice": _itself, "lambda": _lambda, "functiongraph": _functiongraph}
    return json.dumps(record[shape](notice), separators=(",", ":")).encode("ascii")


def _itself(notice: dict[str, Any]) -> dict[str, Any]:
    return notice


def _lambda(notice: dict[str, Any]) -> dict[str, Any]:
    """The invocation record that Lambda sends to its destinations."""
    ok = notice["status"] == "succeeded"
    context: dict[str, Any] = {"statusCode": 200, "executedVersion": "$LATEST"}
    return {
        "version": "1.0",
        "timestamp": notice["sent_at"],
        "requestContext": {
            "requestId": notice["job_id"],
            "functionArn": f"transcode:{notice['submission']['profile']['name']}",
            "condition": "Success" if ok else "RetriesExhausted",
            "approximateInvokeCount": notice["tries"],
        },
        "requestPayload": notice["submission"],
        "responseContext": context if ok else context | {"functionError": "Unhandled"},
        "responsePayload": notice,
    }


def _functiongraph(notice: dict[str, Any]) -> dict[str, Any]:
    """The record that FunctionGraph sends to its destinations."""
    ok = notice["status"] == "succeeded"
    return {
        "timestamp": notice["sent_at"],
        "request_context": {
            "request_id": notice["job_id"],
            "function_urn": f"transcode:{notice['submission']['profile']['name']}",
            "condition": "Success" if ok else "RetriesExhausted",
            "approximate_invoke_count": notice["tries"],
        },
        "request_payload": notice["submission"],
        "response_context": {
            "status_code": 200,
            "function_error": "" if ok else _error_type(notice),
        },
        "response_payload": notice,
    }


def _error_type(notice: Mapping[str, Any]) -> str:
    error = (notice["manifest"] or {}).get("error") or {}
    return str(error.get("type", "Unhandled"))


def _linked(envelope: Envelope) -> Envelope:
    if envelope.manifest_uri is not None or envelope.manifest is None:
        return envelope.model_copy(update={"manifest": None})
    return envelope.model_copy(update={"manifest": _short(envelope.manifest)})


def _bare(envelope: Envelope) -> Envelope:
    """Of a failure's error the sentence only: evidence may hold a whole log."""
    if envelope.manifest_uri is not None or envelope.manifest is None:
        return _linked(envelope)
    short = _short(envelope.manifest)
    error = short.error and short.error.model_copy(update={"evidence": {}})
    return envelope.model_copy(
        update={"manifest": short.model_copy(update={"error": error})}
    )


def _short(manifest: Manifest) -> Manifest:
    return manifest.model_copy(
        update={
            "media": None,
            "outputs": (),
            "tasks": (),
            "verification": Verification(
                passed=manifest.verification.passed, checks=()
            ),
            "warnings": ("Shortened to fit into a message; the job has all of it.",),
        }
    )
