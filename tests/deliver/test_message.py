"""What a destination is sent: shape, size, and what never leaves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from transcode.contract import Failure
from transcode.contract.job import Envelope
from transcode.deliver.message import compose, scrub
from transcode.deliver.targets import Queue, Target, parse_target
from transcode.errors import DestinationRefused

from .conftest import MakeEnvelope

WEBHOOK = parse_target("https://a.example/b")
QUEUE = parse_target("sqs://eu-west-1/123456789012/done")
FAILURE = Failure(
    type="EncoderFailed", message="It broke.", retryable=False, evidence={"status": 1}
)


def sent(envelope: Envelope, target: Target = WEBHOOK) -> dict[str, Any]:
    """The JSON that *target* is sent."""
    return dict(json.loads(compose(envelope, target).body))


def test_a_notice_is_the_envelope(make_envelope: MakeEnvelope) -> None:
    """A receiver reads what we wrote, manifest included."""
    envelope = make_envelope()

    assert envelope == Envelope.model_validate(sent(envelope))
    assert "transcode/notice/1" == sent(envelope)["schema"]


def test_the_id_is_the_same_on_every_delivery(make_envelope: MakeEnvelope) -> None:
    """It is the receiver's key to what it has seen, linked or not."""
    envelope = make_envelope()

    ids = {
        compose(envelope, WEBHOOK).id,
        compose(envelope, QUEUE, link=True).id,
        sent(envelope)["id"],
    }

    assert {"3f2a9c1d04be3f2a9c1d04be3f2a9c1d-succeeded"} == ids


def test_lambda_shape(make_envelope: MakeEnvelope) -> None:
    """As Lambda's own destinations get it: the request, the response, how it ended."""
    record = sent(make_envelope(), parse_target("lambda://done#format=lambda"))

    assert {
        "version": "1.0",
        "timestamp": "2026-11-22T22:15:00Z",
        "requestContext": {
            "requestId": "3f2a9c1d04be3f2a9c1d04be3f2a9c1d",
            "functionArn": "transcode:hls",
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": sent(make_envelope())["submission"],
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": sent(make_envelope()),
    } == record


def test_lambda_shape_of_a_failure(make_envelope: MakeEnvelope) -> None:
    """A consumer of failures branches on `condition` and `functionError`."""
    target = parse_target("lambda://done#format=lambda")

    record = sent(make_envelope(error=FAILURE), target)

    assert "RetriesExhausted" == record["requestContext"]["condition"]
    assert "Unhandled" == record["responseContext"]["functionError"]
    assert "It broke." == record["responsePayload"]["manifest"]["error"]["message"]


@pytest.mark.parametrize(("error", "function_error"), [(None, ""), (FAILURE, None)])
def test_functiongraph_shape(
    make_envelope: MakeEnvelope, error: Failure | None, function_error: str | None
) -> None:
    """As FunctionGraph's own destinations get it, with a time that can be parsed."""
    record = sent(
        make_envelope(error=error), parse_target("lambda://a#format=functiongraph")
    )

    assert {
        "timestamp",
        "request_context",
        "request_payload",
        "response_context",
        "response_payload",
    } == set(record)
    assert "2026-11-22T22:15:00Z" == record["timestamp"]
    expected = "EncoderFailed" if function_error is None else function_error
    assert expected == record["response_context"]["function_error"]


def test_what_is_too_large_is_linked(make_envelope: MakeEnvelope) -> None:
    """The manifest stays where it is, and the notice leads to it."""
    envelope = make_envelope(warnings=("ü" * 300_000,))

    notice = compose(envelope, QUEUE)
    there = json.loads(notice.body)

    assert notice.linked
    assert (None, envelope.manifest_uri) == (there["manifest"], there["manifest_uri"])


def test_what_fits_exactly_is_not_linked(make_envelope: MakeEnvelope) -> None:
    """To the byte, with 1 KiB left for the attributes that queues count too."""
    empty = len(compose(make_envelope(warnings=("",)), QUEUE).body)
    room = (Queue.limit_bytes or 0) - 1024 - empty

    fits = compose(make_envelope(warnings=("x" * room,)), QUEUE)
    over = compose(make_envelope(warnings=("x" * (room + 1),)), QUEUE)

    assert (False, True) == (fits.linked, over.linked)
    assert 262_144 - 1024 == len(fits.body)


def test_a_large_failure_is_shortened(make_envelope: MakeEnvelope) -> None:
    """There is no object to link to, so the error itself goes, with its evidence."""
    envelope = make_envelope(error=FAILURE, warnings=("x" * 300_000,))

    there = json.loads(compose(envelope, QUEUE).body)

    assert FAILURE.model_dump() == there["manifest"]["error"]
    assert "Shortened" in there["manifest"]["warnings"][0]


def test_a_failure_with_a_huge_log_keeps_its_sentence(
    make_envelope: MakeEnvelope,
) -> None:
    """Evidence is what gives way last."""
    error = FAILURE.model_copy(update={"evidence": {"stderr": "x" * 300_000}})

    there = json.loads(compose(make_envelope(error=error), QUEUE).body)

    assert ("It broke.", {}) == (
        there["manifest"]["error"]["message"],
        there["manifest"]["error"]["evidence"],
    )


def test_what_cannot_be_made_smaller_is_refused(make_envelope: MakeEnvelope) -> None:
    """With a sentence that says what would do."""
    envelope = make_envelope(options={"note": "x" * 300_000})

    with pytest.raises(DestinationRefused, match="fewer tags or options"):
        compose(envelope, QUEUE)


def test_a_folder_takes_any_size(make_envelope: MakeEnvelope) -> None:
    """An object has no limit that a notice comes near."""
    envelope = make_envelope(warnings=("x" * 3_000_000,))

    assert not compose(envelope, parse_target("s3://told")).linked


def test_a_signed_address_does_not_leave(make_envelope: MakeEnvelope) -> None:
    """Wherever it stands: source, argv, the middle of a log."""
    signed = "https://me:hush@b.example/v.mov?X-Amz-Signature=hush&Expires=hush"
    error = FAILURE.model_copy(
        update={
            "message": f"Cannot read {signed}.",
            "evidence": {"argv": ["-i", signed], "tail": f"error: '{signed}': 403\n"},
        }
    )

    body = compose(make_envelope(error=error, uri=signed), WEBHOOK).body

    assert b"hush" not in body
    assert b"https://b.example/v.mov?" in body


def test_destinations_are_not_told_of_each_other(make_envelope: MakeEnvelope) -> None:
    """The addresses of others may be secret."""
    envelope = make_envelope(
        options={"on_success": ["https://c.example/hush"], "speed": 1}
    )

    assert {"speed": 1} == sent(envelope)["submission"]["options"]


def test_scrub_leaves_other_text_alone() -> None:
    """What is no web address stays: keys with question marks, numbers, nothing."""
    value = {"a": "s3://b/c?d", "b": [1, None, True, "50 % ? yes"], "c": "http://x/y"}

    assert value == scrub(value)
