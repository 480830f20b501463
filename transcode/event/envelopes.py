"""What queues and topics put around a store's own message: SQS and SNS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import AliasChoices, Field

from ..errors import EventError
from .models import Foreign, Name, Word, decoded, read

_DEEPEST = 4
"""A queue in front of a topic in front of a bus makes three."""


class _Queued(Foreign):
    """Of SQS: a function is given lower-case names, whoever asks the queue others."""

    id: Name = Field(validation_alias=AliasChoices("messageId", "MessageId"))
    body: Name = Field(validation_alias=AliasChoices("body", "Body"))


class _Published(Foreign):
    kind: Word = Field(None, alias="Type")
    text: Name = Field(alias="Message")


class _PublishedRecord(Foreign):
    published: _Published = Field(alias="Sns")


def opened(message: object, *, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The messages inside, envelopes taken off; raises `EventError`."""
    if depth > _DEEPEST:
        raise EventError(
            f"The notification has more than {_DEEPEST} envelopes around it; put fewer "
            "queues and topics between the bucket and here."
        )
    if isinstance(message, list):
        for each in message:
            yield from opened(each, depth=depth + 1)
    elif not isinstance(message, Mapping):
        raise EventError(
            f"The notification is {type(message).__name__}, not a JSON object. Check "
            "what the trigger sends."
        )
    elif "TopicArn" in message and message.get("Type") == "Notification":
        text = read(_Published, message, "The topic's message").text
        yield from opened(decoded(text, "The topic's message"), depth=depth + 1)
    elif (records := _enveloped(message)) is not None:
        for number, record in enumerate(records, 1):
            what = f"Message {number} of the notification"
            yield from opened(decoded(_text(record, what), what), depth=depth + 1)
    else:
        yield message


def batch(notification: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """
    The messages of an SQS batch: (message id, text to `parse` on its own).

    For a partial batch response: only the messages whose handling fails are delivered
    again. Empty for what is no such batch; raises `EventError` for a broken one.
    """
    queued = [
        read(_Queued, record, f"Message {number} of the batch")
        for number, record in enumerate(_enveloped(notification) or (), 1)
        if "Sns" not in record
    ]
    return tuple((message.id, message.body) for message in queued)


def _enveloped(message: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """The records, where they are envelopes; None where they are a store's own."""
    found = message.get("Records", message.get("Messages"))
    if not isinstance(found, list):
        return None
    records = [record for record in found if isinstance(record, Mapping)]
    marks = ("Sns", "body", "Body")
    if not records or records[0].keys().isdisjoint(marks) or len(records) < len(found):
        return None
    return records


def _text(record: Mapping[str, Any], what: str) -> str:
    if "Sns" in record:
        return read(_PublishedRecord, record, what).published.text
    return read(_Queued, record, what).body
