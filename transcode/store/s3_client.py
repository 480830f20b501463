"""The door to S3: one client per block, tried again, and its errors made ours."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import aiobotocore.session
import aiohttp
import anyio
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.loaders import Loader, create_loader
from botocore.parsers import ResponseParserError

from ..access.credentials import credentials
from ..errors import (
    DestinationUnwritable,
    ObjectChanged,
    ObjectExists,
    ObjectMissing,
    OutOfDisk,
    SettingsError,
    SourceUnreadable,
    StoreDown,
    StoreError,
    TranscodeError,
    UsageError,
)
from ..retry import RetryPolicy
from ..settings import Settings
from .connections import kept
from .counting import count

Result = TypeVar("Result")

_MISSING = {"404", "NoSuchKey", "NotFound", "NoSuchVersion", "NoSuchUpload"}
_TAKEN = {"412", "PreconditionFailed"}
_CONFLICT = {"409", "ConditionalRequestConflict", "OperationAborted"}
_REFUSED = {
    *("401", "403", "AccessDenied", "AllAccessDisabled", "ExpiredToken"),
    *("InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "Forbidden"),
    *("AccountProblem", "NotSignedUp", "InvalidSecurity", "MethodNotAllowed"),
    "InvalidObjectState",  # archived
}
_RIGHTS = (
    "Check the credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
    "AWS_PROFILE) and what they may do there."
)
_FULL = {"QuotaExceeded", "InsufficientStorage", "507", "XMinioStorageFull"}
_PASSING = {
    *("BadDigest", "InvalidDigest", "IncompleteBody", "InternalError", "SlowDown"),
    *("RequestTimeout", "RequestTimeoutException", "ServiceUnavailable"),
    *("Throttling", "ThrottlingException", "TooManyRequests", "429", "500", "502"),
    *("503", "504", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"),
    # What arrived there is not what was sent.
    *("MalformedXML", "InvalidPart", "InvalidPartOrder"),
    *_CONFLICT,
}
_SERVER_ERROR = 500
_NO_CREDENTIALS = (
    *(NoCredentialsError, PartialCredentialsError, CredentialRetrievalError),
    ProfileNotFound,
)
_NETWORK = (
    *(HTTPClientError, IncompleteReadError, FlexibleChecksumError),
    *(ResponseParserError, aiohttp.ClientError, OSError),
)
_FAULTS = (ClientError, BotoCoreError, *_NETWORK)


_AGAIN = RetryPolicy(0.4, maximum_interval_seconds=8, maximum_attempts=6, jitter=(0, 1))
""""Full jitter": any part of an interval is waited."""


@dataclass(frozen=True, slots=True)
class StoreTimeouts:
    """How long a store is waited for, and how often it is asked again."""

    connect_seconds: float = 5
    read_seconds: float = 60
    """Between two pieces of a reply, not for the whole of it."""
    retry: RetryPolicy = _AGAIN


class Unsure(Exception):
    """What was read is not what the store keeps; asked again."""


class Door:
    """
    Everything that is asked of one S3 endpoint.

    botocore's own retries are off: it repeats a write whose reply was lost without
    looking at what the first one did.
    """

    def __init__(self, client: Any, timeouts: StoreTimeouts) -> None:
        self.client = client
        self._timeouts = timeouts

    async def through(
        self,
        call: Callable[[], Awaitable[Result]],
        *,
        uri: str,
        writes: bool = False,
        look: Callable[[], Awaitable[Result | None]] | None = None,
    ) -> Result:
        """
        Ask, and ask again where that may help; raise what is final as a typed error.

        *look* finds out whether a call without an answer did its work after all.
        """
        policy = self._timeouts.retry
        for number in itertools.count():
            if number:
                wait = policy.wait_seconds(number, random.random())  # noqa: S311
                await anyio.sleep(wait)
            try:
                return await call()
            except (*_FAULTS, Unsure) as exc:
                if not _passes(exc):
                    raise typed(exc, uri, writes=writes) from exc
                fault = exc
            done = await look() if look else None
            if done is not None:
                return done
            if policy.exhausted(number + 1):
                raise typed(fault, uri, writes=writes) from fault
        raise AssertionError  # pragma: no cover - the loop has no end of its own


@asynccontextmanager
async def door(
    settings: Settings, uri: str, *, timeouts: StoreTimeouts | None = None
) -> AsyncIterator[Door]:
    """A client for the block, its own or one that is kept open (`kept`)."""
    shared = kept()
    timeouts = timeouts or StoreTimeouts()
    if shared is None:
        async with _new(settings, uri, timeouts) as opened:
            yield opened
        return
    where = (settings.s3_endpoint_url, settings.s3_region, settings.s3_path_style)
    yield await shared.opened(
        (where, timeouts, credentials()), lambda: _new(settings, uri, timeouts)
    )


@asynccontextmanager
async def _new(
    settings: Settings, uri: str, timeouts: StoreTimeouts
) -> AsyncIterator[Door]:
    """
    Open a client for the block; with the call's own credentials, or those that the
    standard chain of AWS finds.
    """
    keys = credentials()
    config = Config(
        connect_timeout=timeouts.connect_seconds,
        read_timeout=timeouts.read_seconds,
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=32,
        s3={"addressing_style": "path" if settings.s3_path_style else "auto"},
    )
    try:
        session = aiobotocore.session.get_session()
        session.register_component("data_loader", _loader())
        opened = session.create_client(
            "s3",
            endpoint_url=settings.s3_endpoint_url,
            region_name=settings.s3_region,
            aws_access_key_id=keys.access if keys else None,
            aws_secret_access_key=keys.secret if keys else None,
            aws_session_token=keys.token if keys else None,
            config=config,
        )
        client = await opened.__aenter__()
        client.meta.events.register("before-send.s3", _counted)
    except (BotoCoreError, ValueError) as exc:
        raise typed(exc, uri, writes=False) from exc
    try:
        yield Door(client, timeouts)
    finally:
        with anyio.CancelScope(shield=True):
            await opened.__aexit__(None, None, None)


def _counted(event_name: str, **_request: Any) -> None:
    """`before-send.s3.PutObject`: every request, each repetition, too."""
    count(event_name.rpartition(".")[2])


@cache
def _loader() -> Loader:
    """botocore's descriptions of services: half a second to read, never changed."""
    return create_loader()


def typed(exc: Exception, uri: str, *, writes: bool) -> TranscodeError:
    """The one place where errors of the store become ours."""
    if isinstance(exc, ClientError):
        return _answered(exc, uri, writes=writes)
    if isinstance(exc, _NO_CREDENTIALS):
        return SettingsError(
            f"There are no credentials for {uri!r}: {_sentence(exc)}. Set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile (AWS_PROFILE).",
            uri=uri,
        )
    if isinstance(exc, ParamValidationError):
        return UsageError(f"{uri!r} cannot be asked for: {_sentence(exc)}.", uri=uri)
    if isinstance(exc, ValueError):
        return SettingsError(
            f"The endpoint for {uri!r} is wrong: {_sentence(exc)}. Set "
            "TRANSCODE_S3_ENDPOINT_URL to an address such as https://host:port.",
            uri=uri,
        )
    return StoreDown(
        f"{uri!r} cannot be reached: {_sentence(exc)}. Check the network and "
        "TRANSCODE_S3_ENDPOINT_URL.",
        uri=uri,
    )


def _answered(exc: ClientError, uri: str, *, writes: bool) -> TranscodeError:  # noqa: PLR0911  one line per answer
    code, said = _code(exc), _said(exc)
    if code == "NoSuchBucket":
        whose = DestinationUnwritable if writes else SourceUnreadable
        return whose(
            f"There is no bucket for {uri!r}: {said}. Check its name and "
            "TRANSCODE_S3_ENDPOINT_URL.",
            uri=uri,
        )
    if code in _MISSING:
        return ObjectMissing(f"There is no {uri!r}.", uri=uri)
    if code in _TAKEN or code in _CONFLICT:
        if writes:
            return ObjectExists(f"{uri!r} exists already.", uri=uri)
        return ObjectChanged(
            f"{uri!r} is no longer the object that was looked at.", uri=uri
        )
    if code in _FULL:
        return OutOfDisk(f"No space is left to write {uri!r}: {said}.", uri=uri)
    if code == "RequestTimeTooSkewed":
        return StoreError(
            f"{uri!r} was refused, since this machine's clock differs from the "
            f"store's by more than it allows: {said}. Set the clock.",
            uri=uri,
        )
    if code in _REFUSED:
        if writes:
            return DestinationUnwritable(
                f"Nothing can be written to {uri!r}: {said}. {_RIGHTS}", uri=uri
            )
        return SourceUnreadable(f"{uri!r} may not be read: {said}. {_RIGHTS}", uri=uri)
    kind = StoreDown if _passes(exc) else StoreError
    return kind(f"{uri!r}: the store answered {code}: {said}.", uri=uri)


def code_of(exc: BaseException | None) -> str:
    """What the store called it, where *exc* comes of an answer."""
    return _code(exc) if isinstance(exc, ClientError) else ""


def date_of(exc: BaseException | None) -> str | None:
    """The `Date` of an answer that was an error."""
    if not isinstance(exc, ClientError):
        return None
    headers = exc.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(headers["date"]) if "date" in headers else None


def _passes(exc: Exception) -> bool:
    """Whether asking again may get another answer."""
    if isinstance(exc, ClientError):
        status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        final = _FULL | {"NotImplemented", "501"}
        return _code(exc) in _PASSING or (
            status >= _SERVER_ERROR and _code(exc) not in final
        )
    return isinstance(exc, (*_NETWORK, Unsure))


def _code(exc: ClientError) -> str:
    return str(exc.response.get("Error", {}).get("Code", ""))


def _said(exc: ClientError) -> str:
    error = exc.response.get("Error", {})
    said = str(error.get("Message") or error.get("Code") or exc)
    return said.strip().rstrip(".")


def _sentence(exc: Exception) -> str:
    said = str(exc).strip().rstrip(".") or type(exc).__name__
    return " ".join(said.split())
