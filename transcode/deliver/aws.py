"""A notice → SQS, SNS or Lambda; of this stage only this and its neighbour know AWS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiobotocore.session
import anyio
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
)

from ..errors import DestinationDown, DestinationRefused
from .message import Notice
from .response import judge, printable
from .targets import LambdaFunction, Queue, Target, Topic

_CONNECT_SECONDS = 5.0
_TOO_LARGE = ("too long", "must be shorter than", "message size")
"""In the answer `InvalidParameter(Value)` of SNS and SQS, which send no 413."""
_LATER = ("Throttl", "RequestLimitExceeded", "TooManyRequests", "ExpiredToken")


class AwsSender:
    """
    Credentials by AWS's standard chain. Clients are shared and closed with the block;
    each sends once, since who calls decides about another try.
    """

    def __init__(
        self, *, endpoint_url: str | None, region: str | None, attempt_seconds: float
    ) -> None:
        self._endpoint_url = endpoint_url
        self._region = region
        self._config = Config(
            connect_timeout=min(attempt_seconds, _CONNECT_SECONDS),
            read_timeout=attempt_seconds,
            retries={"total_max_attempts": 1},
        )
        self._session = aiobotocore.session.get_session()
        self._clients: dict[tuple[str, str | None, str | None], Any] = {}
        self._lock = anyio.Lock()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def send(
        self, target: Queue | Topic | LambdaFunction, notice: Notice
    ) -> None:
        """Return once they took it; raises `DeliveryError`."""
        with judged(target):
            match target:
                case Queue():
                    await self._to_queue(target, notice)
                case Topic():
                    await self._to_topic(target, notice)
                case LambdaFunction():
                    await self.call_function(target, notice.body)

    async def call_function(self, target: LambdaFunction, body: bytes) -> str:
        """Queue an asynchronous invocation; its request's id."""
        client = await self.client("lambda", target.region)
        reply = await client.invoke(
            FunctionName=target.function, InvocationType="Event", Payload=body
        )
        judge(target, reply["StatusCode"])
        return str(reply["ResponseMetadata"].get("RequestId", ""))

    async def _to_queue(self, target: Queue, notice: Notice) -> None:
        own = target.url and "://".join(urlsplit(target.url)[:2])
        client = await self.client("sqs", target.region, own)
        url = target.url or (
            f"{client.meta.endpoint_url.rstrip('/')}/{target.account}/{target.queue}"
        )
        await client.send_message(
            QueueUrl=url,
            MessageBody=notice.body.decode("ascii"),
            MessageAttributes=_attributes(notice),
            **_order(notice, fifo=target.queue.endswith(".fifo")),
        )

    async def _to_topic(self, target: Topic, notice: Notice) -> None:
        client = await self.client("sns", target.region)
        await client.publish(
            TopicArn=target.arn,
            Message=notice.body.decode("ascii"),
            MessageAttributes=_attributes(notice),
            **_order(notice, fifo=target.arn.endswith(".fifo")),
        )

    async def client(
        self, service: str, region: str | None, endpoint_url: str | None = None
    ) -> Any:
        key = (service, region, endpoint_url)
        async with self._lock:
            if key not in self._clients:
                self._clients[key] = await self._stack.enter_async_context(
                    self._session.create_client(
                        service,
                        region_name=region or self._region,
                        endpoint_url=endpoint_url or self._endpoint_url,
                        config=self._config,
                    )
                )
            return self._clients[key]


@contextmanager
def judged(target: Target) -> Iterator[None]:
    """What AWS and its client say in the block, as `DeliveryError`."""
    try:
        yield
    except ClientError as exc:
        _refuse(target, exc)
    except (NoCredentialsError, NoRegionError) as exc:
        missing = (
            "credentials are" if isinstance(exc, NoCredentialsError) else "region is"
        )
        raise DestinationRefused(
            f"{target.name} cannot be told: AWS {missing} missing. Set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a role, and "
            "TRANSCODE_AWS_REGION.",
            destination=target.name,
        ) from exc
    except HTTPClientError as exc:
        raise DestinationDown(
            f"{target.name} cannot be reached: the connection broke "
            f"({type(exc).__name__}).",
            destination=target.name,
        ) from exc
    except BotoCoreError as exc:
        raise DestinationRefused(
            f"{target.name} cannot be told: {printable(str(exc))}",
            destination=target.name,
        ) from exc


def _attributes(notice: Notice) -> dict[str, dict[str, str]]:
    """What a subscription can filter by, and what a consumer knows duplicates by."""
    values = {
        "idempotency_key": notice.id,
        "job_id": notice.job_id,
        "status": notice.status,
    }
    return {
        name: {"DataType": "String", "StringValue": value}
        for name, value in values.items()
    }


def _order(notice: Notice, *, fifo: bool) -> dict[str, str]:
    if not fifo:
        return {}
    return {
        "MessageGroupId": notice.job_id,
        "MessageDeduplicationId": notice.id,
    }


def _refuse(target: Target, exc: ClientError) -> None:
    error = exc.response.get("Error", {})
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    status = int(exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
    if any(words in message.lower() for words in _TOO_LARGE):
        status = 413
    elif any(words in code for words in _LATER):
        status = 429
    try:
        judge(target, status, answer=f"{code}: {message}")
    except (DestinationDown, DestinationRefused) as judged:
        sentence = f"{judged.message.rstrip('.')}: {printable(f'{code}: {message}')}"
        raise type(judged)(sentence, **judged.evidence) from exc
    raise DestinationDown(
        f"{target.name} answered {status} with an error.", destination=target.name
    ) from exc
