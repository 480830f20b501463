"""Destinations: what is written, what is understood, what is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.deliver.targets import (
    Folder,
    GraphFunction,
    LambdaFunction,
    Queue,
    Target,
    Topic,
    Webhook,
    parse_target,
    parse_targets,
)
from transcode.errors import DestinationError

PROJECT = "7aad83af3e8d42e99ac194e8419e2c9b"
URN = f"urn:fss:cn-north-4:{PROJECT}:function:default:told:latest"
QUEUE = "sqs+https://sqs.eu-west-1.amazonaws.com/123456789012/done"


def understood(target: Target) -> dict[str, object]:
    """A target's own fields."""
    return {
        name: getattr(target, name)
        for name in type(target).__slots__
        if name not in ("text", "shape")
    }


@pytest.mark.parametrize(
    ("text", "kind", "fields"),
    [
        ("file:///srv/told", Folder, {"address": "file:///srv/told"}),
        ("s3://results/told/", Folder, {"address": "s3://results/told"}),
        ("https://a.example/b?c=d", Webhook, {"url": "https://a.example/b?c=d"}),
        ("http://localhost:8000", Webhook, {"url": "http://localhost:8000"}),
        (
            "sqs://eu-west-1/123456789012/done.fifo",
            Queue,
            {
                "region": "eu-west-1",
                "url": None,
                "account": "123456789012",
                "queue": "done.fifo",
            },
        ),
        (
            QUEUE,
            Queue,
            {
                "region": "eu-west-1",
                "url": "https://sqs.eu-west-1.amazonaws.com/123456789012/done",
                "account": "123456789012",
                "queue": "done",
            },
        ),
        (
            "sqs+http://127.0.0.1:9324/000000000000/done",
            Queue,
            {
                "region": None,
                "url": "http://127.0.0.1:9324/000000000000/done",
                "account": "000000000000",
                "queue": "done",
            },
        ),
        (
            "arn:aws-cn:sqs:cn-north-1:123456789012:done",
            Queue,
            {
                "region": "cn-north-1",
                "url": None,
                "account": "123456789012",
                "queue": "done",
            },
        ),
        (
            "arn:aws:sns:eu-west-1:123456789012:done",
            Topic,
            {"region": "eu-west-1", "arn": "arn:aws:sns:eu-west-1:123456789012:done"},
        ),
        (
            "arn:aws:lambda:eu-west-1:123456789012:function:done:live",
            LambdaFunction,
            {
                "region": "eu-west-1",
                "function": "arn:aws:lambda:eu-west-1:123456789012:function:done:live",
            },
        ),
        ("lambda://done", LambdaFunction, {"region": None, "function": "done"}),
        (
            URN,
            GraphFunction,
            {
                "endpoint": "https://functiongraph.cn-north-4.myhuaweicloud.com",
                "project": PROJECT,
                "urn": URN,
            },
        ),
        (
            f"functiongraph+https://fgs.eu-de.otc.example/{URN}",
            GraphFunction,
            {
                "endpoint": "https://fgs.eu-de.otc.example",
                "project": PROJECT,
                "urn": URN,
            },
        ),
    ],
)
def test_every_form_is_understood(
    text: str, kind: type[Target], fields: dict[str, object]
) -> None:
    """Each documented form gives what its sender needs."""
    target = parse_target(text)

    assert kind is type(target)
    assert fields == understood(target)
    assert "notice" == target.shape


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("mailto:somebody@a.example", "none that we know"),
        ("ftp://a.example/told", "none that we know"),
        ("/srv/told", "none that we know"),
        ("file://srv/told", "file:///absolute/path"),
        ("file:told", "file:///absolute/path"),
        ("s3://", "names no host, bucket or region"),
        ("s3://results/told?versionId=1", "has no"),
        ("https://", "names no host"),
        ("https://a.example:port/", "no valid URL"),
        ("https://me:hush@a.example/", "user name or password"),
        ("https://ä.example/", "must be ASCII"),
        ("https://a.example/#section", "what follows '#'"),
        ("https://a.example/#format=xml", "#format=lambda"),
        ("sqs://eu-west-1/done", "sqs://region/account/queue"),
        ("sqs://eu-west-1/12345/done", "sqs://region/account/queue"),
        ("sqs+https://sqs.eu-west-1.amazonaws.com/done", "sqs://region/account/queue"),
        ("arn:aws:s3:::results", "no ARN of"),
        ("arn:aws:lambda:eu-west-1:123456789012:layer:x", "no ARN of"),
        ("lambda://name/path", "lambda://name"),
        ("urn:fss:cn-north-4:p:trigger:default:told:latest", "urn:fss:region:project"),
        ("urn:fss", "urn:fss:region:project"),
        ("functiongraph+https://a.example/told", "urn:fss:region:project"),
    ],
)
def test_what_is_no_form_is_refused(text: str, why: str) -> None:
    """The sentence says what is wrong and lists what is allowed."""
    with pytest.raises(DestinationError, match="Allowed: file:///folder, s3://") as no:
        parse_target(text)

    assert why in no.value.message


@pytest.mark.parametrize(
    "text",
    [
        "https://me:hush@a.example/hush?hush",
        "htps://a.example/hush?hush=hush#hush",
        "https://a.example:hush/hush",
        "sqs+https://a.example/hush",
        "s3://hush@a.example/x?hush",
        "a.example/hush",
        "https:/a.example/hush",
    ],
)
def test_a_refusal_quotes_no_secret(text: str) -> None:
    """Paths, queries and passwords of a wrong address stay out of the sentence."""
    with pytest.raises(DestinationError) as no:
        parse_target(text)

    assert "hush" not in str(no.value.describe().to_json()).replace(
        "a.example:hush", ""
    )


def test_a_name_hides_what_may_be_secret() -> None:
    """A webhook is shown by its host, and told from others by its digest."""
    one, other = parse_targets("https://a.example/T0/hush https://a.example/T1/hush")

    assert one.name.startswith("https://a.example (")
    assert one.name != other.name
    assert one == parse_target(one.text)


def test_a_shape_is_asked_for_by_a_fragment() -> None:
    """The query of an address belongs to its receiver."""
    target = parse_target("https://a.example/b?format=mine#format=lambda")

    assert ("lambda", "https://a.example/b?format=mine") == (
        target.shape,
        target.url if isinstance(target, Webhook) else None,
    )


def test_any_number_in_the_order_written() -> None:
    """Separated by whatever white space; none is fine."""
    targets = parse_targets(" lambda://b\n\tlambda://a  s3://c ")

    assert ["lambda://b", "lambda://a", "s3://c"] == [t.text for t in targets]
    assert () == parse_targets(" ")


def test_twice_the_same_is_refused() -> None:
    """Who is named twice would be told twice."""
    with pytest.raises(DestinationError, match="named twice"):
        parse_targets("lambda://a s3://c lambda://a")


@given(st.text())
def test_any_text_is_understood_or_refused(text: str) -> None:
    """Nothing but our own error comes out, whatever is written."""
    with contextlib.suppress(DestinationError):
        parse_target(text)
