"""Settings → who sends to which kind of destination; each is made when first needed."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio
from pydantic import SecretStr

from ..access.credentials import credentials
from ..errors import (
    DeliveryError,
    DestinationDown,
    DestinationRefused,
    ObjectExists,
    SettingsError,
    StoreError,
    TranscodeError,
)
from ..settings import Settings
from .message import Notice
from .targets import (
    Folder,
    GraphFunction,
    LambdaFunction,
    Queue,
    Target,
    Topic,
    Webhook,
)
from .webhook import webhook_keys

if TYPE_CHECKING:
    from .aws import AwsSender
    from .aws_lambda import LambdaCalls
    from .functiongraph import FunctionCalls
    from .http import Http

Create = Callable[[str, str, bytes], Awaitable[object]]
"""Creates an object: folder or prefix, name, content; `ObjectExists` if it is there."""

ATTEMPT_SECONDS = 10.0
"""For one try; receivers are asked to take a notice first and work on it later."""


def check(targets: Iterable[Target], settings: Settings) -> None:
    """Raises `SettingsError` where one needs a setting that is missing or wrong."""
    for target in targets:
        needed = {
            Webhook: ("webhook_secret",),
            # Inside a function those of its agency will do.
            GraphFunction: ()
            if credentials()
            else ("huawei_access_key", "huawei_secret_key"),
        }.get(type(target), ())
        for name in needed:
            if getattr(settings, name) is None:
                variable = f"TRANSCODE_{name.upper()}"
                raise SettingsError(
                    f"The destination {target.name} needs {variable}, which is not "
                    "set.",
                    setting=variable,
                )
        if isinstance(target, Webhook):
            webhook_keys(_plain(settings.webhook_secret) or "")


class Senders:
    """Connections are shared and closed with the block."""

    def __init__(
        self,
        settings: Settings,
        create: Create,
        *,
        attempt_seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        self._settings = settings
        self._create = create
        self._attempt_seconds = attempt_seconds
        self._stack = AsyncExitStack()
        self._lock = anyio.Lock()
        self._http: Http | None = None
        self._aws: AwsSender | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def send(self, target: Target, notice: Notice) -> None:
        """
        One try: return once they took it.

        Raises `DeliveryError`, or `SettingsError` as `check` does.
        """
        check((target,), self._settings)
        match target:
            case Folder():
                await self._to_folder(target, notice)
            case Webhook():
                await self._to_webhook(target, notice)
            case Queue() | Topic() | LambdaFunction():
                await (await self._aws_sender()).send(target, notice)
            case GraphFunction():
                await self._to_graph(target, notice)
            case _:
                raise DestinationRefused(f"Nobody sends to {target.name}.")

    async def _to_folder(self, target: Folder, notice: Notice) -> None:
        try:
            await self._create(target.address, f"{notice.id}.json", notice.body)
        except ObjectExists:
            return  # it was told before, and the answer was lost
        except DeliveryError:
            raise
        except TranscodeError as exc:
            kind = (
                DestinationDown if isinstance(exc, StoreError) else DestinationRefused
            )
            raise kind(exc.message, destination=target.name) from exc

    async def _to_webhook(self, target: Webhook, notice: Notice) -> None:
        from .webhook import WebhookSender  # noqa: PLC0415  loads aiohttp

        keys = webhook_keys(_plain(self._settings.webhook_secret) or "")
        sender = WebhookSender(await self._http_door(), keys, time.time)
        await sender.send(target, notice)

    async def _to_graph(self, target: GraphFunction, notice: Notice) -> None:
        from .functiongraph import GraphSender  # noqa: PLC0415  loads aiohttp

        await GraphSender(await self.function_calls()).send(target, notice)

    async def function_calls(self) -> FunctionCalls:
        """
        FunctionGraph's API: with the keys that the platform lends to the call we are
        in, otherwise with those of the settings.
        """
        from ..platforms.huawei_signing import Keys  # noqa: PLC0415  loads aiohttp
        from .functiongraph import FunctionCalls  # noqa: PLC0415  loads aiohttp

        given, lent = self._settings, credentials()
        keys = Keys(
            access=given.huawei_access_key or "",
            secret=_plain(given.huawei_secret_key) or "",
            token=_plain(given.huawei_security_token),
        )
        if lent is not None:
            keys = Keys(access=lent.access, secret=lent.secret, token=lent.token)
        return FunctionCalls(await self._http_door(), keys, lambda: datetime.now(UTC))

    async def lambda_calls(self) -> LambdaCalls:
        """Lambda's API, for the engine that has tasks done there."""
        from .aws_lambda import LambdaCalls  # noqa: PLC0415  loads aiobotocore

        return LambdaCalls(await self._aws_sender(), self._settings.aws_region)

    async def _http_door(self) -> Http:
        from .http import Http  # noqa: PLC0415  loads aiohttp

        async with self._lock:
            if self._http is None:
                door = Http(
                    self._attempt_seconds,
                    may_be_private=self._settings.may_be_private,
                )
                self._http = await self._stack.enter_async_context(door)
            return self._http

    async def _aws_sender(self) -> AwsSender:
        from .aws import AwsSender  # noqa: PLC0415  loads aiobotocore

        async with self._lock:
            if self._aws is None:
                sender = AwsSender(
                    endpoint_url=self._settings.aws_endpoint_url,
                    region=self._settings.aws_region,
                    attempt_seconds=self._attempt_seconds,
                )
                self._aws = await self._stack.enter_async_context(sender)
            return self._aws


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
