"""Queues, topics and functions: against servers that speak their protocols."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from pydantic import SecretStr

from transcode.contract.job import Delivery, Envelope
from transcode.deliver import RetryClock, Senders, parse_targets, tell
from transcode.platforms.huawei_signing import Keys, authorization
from transcode.retry import RetryPolicy
from transcode.settings import Settings

from .conftest import Answer, Listener, MakeEnvelope

pytestmark = pytest.mark.anyio

ACCOUNT = "123456789012"
PROJECT = "7aad83af3e8d42e99ac194e8419e2c9b"
URN = f"urn:fss:cn-north-4:{PROJECT}:function:default:told:latest"


async def _no_folder(folder: str, name: str, body: bytes) -> None:
    raise AssertionError(folder)


async def _no_wait(seconds: float) -> None:
    pass


async def tell_once_more(
    settings: Settings, envelope: Envelope, text: str, *, rounds: int = 1
) -> list[Delivery]:
    """What became of it, in each of some rounds."""
    async with Senders(settings, _no_folder) as senders:
        return [
            told
            for _ in range(rounds)
            for told in await tell(
                envelope,
                parse_targets(text),
                senders.send,
                policy=RetryPolicy(1, maximum_attempts=2),
                clock=RetryClock(sleep=_no_wait),
            )
        ]


@contextmanager
def client(settings: Settings, service: str) -> Iterator[Any]:
    """Somebody else's client of the same server."""
    made = boto3.client(
        service, endpoint_url=settings.aws_endpoint_url, region_name="eu-west-1"
    )
    try:
        yield made
    finally:
        made.close()


def taken(sqs: Any, url: str) -> list[dict[str, Any]]:
    """Every message of a queue."""
    messages: list[dict[str, Any]] = []
    while more := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    ).get("Messages"):
        messages += more
    return messages


async def test_a_queue(aws_settings: Settings, make_envelope: MakeEnvelope) -> None:
    """By region, account and name, by ARN and by URL it is the same queue."""
    envelope = make_envelope()
    with client(aws_settings, "sqs") as sqs:
        url = sqs.create_queue(QueueName="plain")["QueueUrl"]
        told = await tell_once_more(
            aws_settings,
            envelope,
            f"sqs://eu-west-1/{ACCOUNT}/plain arn:aws:sqs:eu-west-1:{ACCOUNT}:plain "
            f"sqs+{url}",
        )
        messages = taken(sqs, url)

    assert [(True, 1)] * 3 == [(one.ok, one.tries) for one in told]
    assert [json.loads(envelope.to_json())] * 3 == [
        json.loads(message["Body"]) for message in messages
    ]
    assert {
        "idempotency_key": envelope.id,
        "job_id": envelope.job_id,
        "status": "succeeded",
    } == {
        name: attribute["StringValue"]
        for name, attribute in messages[0]["MessageAttributes"].items()
    }


async def test_a_fifo_queue_takes_a_duplicate_once(
    aws_settings: Settings, make_envelope: MakeEnvelope
) -> None:
    """The id of the result is its deduplication id."""
    with client(aws_settings, "sqs") as sqs:
        url = sqs.create_queue(
            QueueName="order.fifo", Attributes={"FifoQueue": "true"}
        )["QueueUrl"]
        told = await tell_once_more(
            aws_settings,
            make_envelope(),
            f"sqs://eu-west-1/{ACCOUNT}/order.fifo",
            rounds=2,
        )
        messages = taken(sqs, url)

    assert [True, True] == [one.ok for one in told]
    assert 1 == len(messages)


async def test_what_a_queue_will_not_hold_is_linked(
    aws_settings: Settings, make_envelope: MakeEnvelope
) -> None:
    """Whether we know its limit, or are told of it in the answer."""
    with client(aws_settings, "sqs") as sqs:
        small = sqs.create_queue(
            QueueName="small", Attributes={"MaximumMessageSize": "4096"}
        )["QueueUrl"]
        usual = sqs.create_queue(QueueName="usual")["QueueUrl"]
        told = [
            *await tell_once_more(
                aws_settings,
                make_envelope(warnings=("x" * 10_000,)),
                f"sqs://eu-west-1/{ACCOUNT}/small",
            ),
            *await tell_once_more(
                aws_settings,
                make_envelope(warnings=("x" * 300_000,)),
                f"sqs://eu-west-1/{ACCOUNT}/usual",
            ),
        ]
        bodies = [
            json.loads(m["Body"]) for url in (small, usual) for m in taken(sqs, url)
        ]

    assert [(True, True, 2), (True, True, 1)] == [
        (t.ok, t.linked, t.tries) for t in told
    ]
    assert [None, None] == [body["manifest"] for body in bodies]


async def test_a_topic(aws_settings: Settings, make_envelope: MakeEnvelope) -> None:
    """Its subscribers get the envelope; they can filter by its attributes."""
    envelope = make_envelope()
    with client(aws_settings, "sqs") as sqs, client(aws_settings, "sns") as sns:
        url = sqs.create_queue(QueueName="subscribed")["QueueUrl"]
        arn = sns.create_topic(Name="results")["TopicArn"]
        sns.subscribe(
            TopicArn=arn,
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:eu-west-1:{ACCOUNT}:subscribed",
            Attributes={
                "RawMessageDelivery": "true",
                "FilterPolicy": json.dumps({"status": ["succeeded"]}),
            },
        )
        (told,) = await tell_once_more(aws_settings, envelope, arn)
        (message,) = taken(sqs, url)

    assert told.ok
    assert json.loads(envelope.to_json()) == json.loads(message["Body"])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"sqs://eu-west-1/{ACCOUNT}/nobody", "NonExistentQueue"),
        (f"arn:aws:sns:eu-west-1:{ACCOUNT}:nobody", "NotFound"),
    ],
)
async def test_what_is_not_there_is_not_repeated(
    aws_settings: Settings, make_envelope: MakeEnvelope, text: str, code: str
) -> None:
    """Its error code stands in the sentence."""
    (told,) = await tell_once_more(aws_settings, make_envelope(), text)

    assert (False, 1) == (told.ok, told.tries)
    assert told.error is not None
    assert "DestinationRefused" == told.error.type
    assert code in told.error.message


async def test_a_lambda_function_is_invoked_asynchronously(
    listener: Listener,
    aws_settings: Settings,
    make_envelope: MakeEnvelope,
) -> None:
    """One signed request, the notice as its event, in the region of its ARN."""
    listener.script = [Answer(500), Answer(202)]
    settings = aws_settings.model_copy(update={"aws_endpoint_url": listener.url})
    arn = f"arn:aws:lambda:ap-south-1:{ACCOUNT}:function:told"
    envelope = make_envelope()

    (told,) = await tell_once_more(settings, envelope, arn)
    received = listener.received[-1]

    assert (True, 2) == (told.ok, told.tries)
    assert 2 == len(listener.received)
    assert received.path.startswith("/2015-03-31/functions/arn")
    assert "Event" == received.headers["x-amz-invocation-type"]
    assert "/ap-south-1/lambda/aws4_request" in received.headers["authorization"]
    assert json.loads(envelope.to_json()) == json.loads(received.body)


@pytest.mark.parametrize(
    ("answer", "ok", "tries"),
    [
        (Answer(429, body=b'{"Code": "TooManyRequestsException"}'), False, 2),
        (Answer(403, {"x-amzn-ErrorType": "AccessDeniedException"}, b"{}"), False, 1),
        (Answer(404, {"x-amzn-ErrorType": "ResourceNotFoundException"}), False, 1),
        (Answer(400, {"x-amzn-ErrorType": "ExpiredTokenException"}, b"{}"), False, 2),
        (Answer(reset=True), False, 2),
        (Answer(202), True, 1),
    ],
)
async def test_what_a_cloud_answers_is_judged(
    listener: Listener,
    aws_settings: Settings,
    make_envelope: MakeEnvelope,
    answer: Answer,
    *,
    ok: bool,
    tries: int,
) -> None:
    """Busy, and keys that are about to be renewed, are tried again; no right is not."""
    listener.script = [answer]
    settings = aws_settings.model_copy(update={"aws_endpoint_url": listener.url})

    (told,) = await tell_once_more(settings, make_envelope(), "lambda://told")

    assert (ok, tries) == (told.ok, told.tries)
    assert tries == len(listener.received)
    assert "tester-secret" not in told.to_json()


async def test_a_functiongraph_function_is_invoked_asynchronously(
    listener: Listener, make_envelope: MakeEnvelope
) -> None:
    """The signature holds for what arrived, computed anew from its parts."""
    listener.script = [Answer(429), Answer(202, body=b'{"request_id": "1167bf8c"}')]
    settings = Settings(
        huawei_access_key="AK",
        huawei_secret_key=SecretStr("hush"),
        huawei_security_token=SecretStr("token"),
    )
    envelope = make_envelope()
    text = f"functiongraph+{listener.url}/{URN}"

    (told,) = await tell_once_more(settings, envelope, text)
    received = listener.received[-1]
    signed = {
        name: received.headers[name]
        for name in ("content-type", "host", "x-project-id", "x-sdk-date")
    } | {"x-security-token": "token"}

    assert (True, 2) == (told.ok, told.tries)
    assert (
        f"/v2/{PROJECT}/fgs/functions/{URN.replace(':', '%3A')}/invocations-async"
    ) == received.path
    assert json.loads(envelope.to_json()) == json.loads(received.body)
    assert received.headers["authorization"] == authorization(
        "POST",
        f"{listener.url}{received.path}",
        headers=signed,
        body=received.body,
        keys=Keys("AK", "hush"),
    )


async def test_no_credentials_is_said(
    aws_server: str, make_envelope: MakeEnvelope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to set."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    settings = Settings(aws_endpoint_url=aws_server, aws_region="eu-west-1")

    (told,) = await tell_once_more(settings, make_envelope(), "lambda://told")

    assert told.error is not None
    assert "AWS credentials are missing" in told.error.message
