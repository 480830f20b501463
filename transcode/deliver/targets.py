"""Words of a person → who is told of a result."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal
from urllib.parse import SplitResult, urlsplit

from ..errors import DestinationError

Shape = Literal["notice", "lambda", "functiongraph"]
SHAPES: tuple[Shape, ...] = ("notice", "lambda", "functiongraph")

FORMS = (
    "file:///folder, s3://bucket/prefix, https://host/path, "
    "sqs://region/account/queue, sqs+https://queue-url, arn:aws:sqs:…, arn:aws:sns:…, "
    "arn:aws:lambda:…, lambda://name, urn:fss:…, functiongraph+https://host/urn:fss:…"
)
"""Every form, as errors and the documentation list them."""

_SCHEME = re.compile(r"file|s3|https?|sqs(\+https?)?|lambda|functiongraph\+https?")
_REGION = re.compile(r"[a-z]{2}(-[a-z0-9]+)+")
_ACCOUNT = re.compile(r"\d{12}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}(\.fifo)?")
_FUNCTION = re.compile(r"[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9$_-]{1,128})?")
_URN = re.compile(r"([A-Za-z0-9_-]+:)+[A-Za-z0-9_-]+")
_SHOWN_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Target:
    """
    One destination. *text* is what was written and may hold a secret, as addresses of
    chat rooms do: logs, errors and records show `name` and `digest` instead.
    """

    text: str
    shape: Shape
    limit_bytes: ClassVar[int | None] = None
    """Of one message; larger ones link to the manifest."""

    @property
    def digest(self) -> str:
        """The same for the same text in every process: SHA-256, 32 hex digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:32]

    @property
    def name(self) -> str:
        """How a person tells it from others, without what may be secret in it."""
        return f"{_shown(self.text)} ({self.digest[:_SHOWN_DIGITS]})"


@dataclass(frozen=True, slots=True)
class Folder(Target):
    """One JSON object per result, in a folder or under a prefix."""

    address: str


@dataclass(frozen=True, slots=True)
class Webhook(Target):
    """A signed POST."""

    url: str
    limit_bytes = 1_048_576
    """Ours: common servers refuse bodies above 1 MiB unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Queue(Target):
    """SQS; a name that ends in `.fifo` is a FIFO queue."""

    region: str | None
    url: str | None
    """None: made of region, account and name, or of the endpoint in use."""
    account: str
    queue: str
    limit_bytes = 262_144
    """`MaximumMessageSize` of a queue unless it was raised (to 1 MiB at most); its
    attributes count too."""


@dataclass(frozen=True, slots=True)
class Topic(Target):
    """SNS."""

    region: str
    arn: str
    limit_bytes = 262_144
    """`MaximumMessageSize` of a topic unless it was raised."""


@dataclass(frozen=True, slots=True)
class LambdaFunction(Target):
    """AWS Lambda, invoked asynchronously."""

    region: str | None
    function: str
    limit_bytes = 1_000_000
    """Documented as 1 MB for asynchronous invocation; 256 KB until 2025."""


@dataclass(frozen=True, slots=True)
class GraphFunction(Target):
    """FunctionGraph, invoked asynchronously."""

    endpoint: str
    project: str
    urn: str
    limit_bytes = 256_000
    """Documented as 256 KB for asynchronous invocation."""


def parse_targets(text: str) -> tuple[Target, ...]:
    """
    Destinations separated by white space. Raises `DestinationError`, also for one that
    is named twice.
    """
    return distinct(parse_target(word) for word in text.split())


def distinct(targets: Iterable[Target]) -> tuple[Target, ...]:
    """The same targets; raises `DestinationError` where one is named twice."""
    seen: dict[str, Target] = {}
    for target in targets:
        if target.digest in seen:
            raise DestinationError(
                f"The destination {target.name} is named twice; name it once.",
                destination=target.name,
            )
        seen[target.digest] = target
    return tuple(seen.values())


def parse_target(text: str) -> Target:
    """
    One destination: see `FORMS`. `#format=lambda` or `#format=functiongraph` at its
    end asks for that platform's destination record instead of our own envelope; a
    fragment, because a query belongs to the receiver. Raises `DestinationError`.
    """
    plain, shape = _shape_of(text)
    if plain.startswith("arn:"):
        return _arn(text, plain, shape)
    if plain.startswith("urn:"):
        region = "".join(plain.split(":")[2:3])
        endpoint = f"https://functiongraph.{region}.myhuaweicloud.com"
        return _graph(text, shape, endpoint, plain)
    url = _split(text, plain)
    endpoint = f"{url.scheme.rpartition('+')[2]}://{url.netloc}"
    target: Target
    match url.scheme:
        case "file" | "s3":
            target = _folder(text, plain, shape, url)
        case "http" | "https":
            target = Webhook(text, shape, url=plain)
        case "sqs" | "sqs+http" | "sqs+https":
            target = _queue(text, shape, url)
        case "lambda":
            target = _lambda(text, shape, url)
        case _:  # functiongraph+http(s), see `_SCHEME`
            target = _graph(text, shape, endpoint, url.path.strip("/"))
    return target


def _shape_of(text: str) -> tuple[str, Shape]:
    plain, mark, fragment = text.partition("#")
    if not mark:
        return plain, "notice"
    for shape in SHAPES:
        if fragment == f"format={shape}":
            return plain, shape
    allowed = ", ".join(f"#format={shape}" for shape in SHAPES)
    raise _wrong(text, f"what follows '#' must be one of {allowed}")


def _split(text: str, plain: str) -> SplitResult:
    try:
        url = urlsplit(plain)
        _ = url.port
    except ValueError as exc:
        raise _wrong(text, "it is no valid URL") from exc
    if url.username is not None or url.password is not None:
        raise _wrong(text, "it holds a user name or password; leave them out")
    if not _SCHEME.fullmatch(url.scheme):
        raise _wrong(text, f"{url.scheme or 'no scheme'!r} is none that we know")
    if url.scheme != "file" and not url.hostname:
        raise _wrong(text, "it names no host, bucket or region after '//'")
    if not plain.isascii() and url.scheme != "file":
        raise _wrong(text, "it must be ASCII; percent-encode the rest")
    return url


def _folder(text: str, plain: str, shape: Shape, url: SplitResult) -> Folder:
    if url.query:
        raise _wrong(text, "a folder or prefix has no '?…'")
    if url.scheme == "file" and (url.netloc or not url.path.startswith("/")):
        raise _wrong(text, "a folder is written file:///absolute/path")
    return Folder(text, shape, address=plain.rstrip("/"))


def _queue(text: str, shape: Shape, url: SplitResult) -> Queue:
    if url.query:
        raise _wrong(text, "a queue has no '?…'")
    match url.scheme, url.path.strip("/").split("/"):
        case "sqs", [account, name] if (
            _REGION.fullmatch(url.netloc)
            and _ACCOUNT.fullmatch(account)
            and _NAME.fullmatch(name)
        ):
            return Queue(
                text, shape, region=url.netloc, url=None, account=account, queue=name
            )
        case ("sqs+http" | "sqs+https") as scheme, [account, name] if (
            account and _NAME.fullmatch(name)
        ):
            # `sqs.eu-west-1.amazonaws.com`; elsewhere the region in use decides.
            named = re.match(r"sqs\.([a-z0-9-]+)\.", url.hostname or "")
            return Queue(
                text,
                shape,
                region=named[1] if named else None,
                url=f"{scheme.removeprefix('sqs+')}://{url.netloc}{url.path}",
                account=account,
                queue=name,
            )
    raise _wrong(
        text,
        "a queue is written sqs://region/account/queue or sqs+https://host/account/"
        "queue",
    )


def _lambda(text: str, shape: Shape, url: SplitResult) -> LambdaFunction:
    if url.path.strip("/") or url.query or not _FUNCTION.fullmatch(url.netloc):
        raise _wrong(text, "a function is written lambda://name or lambda://name:alias")
    return LambdaFunction(text, shape, region=None, function=url.netloc)


def _arn(text: str, plain: str, shape: Shape) -> Target:
    match plain.split(":", 5):
        case [_, _, service, region, account, rest] if _REGION.fullmatch(
            region
        ) and _ACCOUNT.fullmatch(account):
            if service == "sqs" and _NAME.fullmatch(rest):
                return Queue(
                    text, shape, region=region, url=None, account=account, queue=rest
                )
            if service == "sns" and _NAME.fullmatch(rest):
                return Topic(text, shape, region=region, arn=plain)
            named = rest.removeprefix("function:")
            if service == "lambda" and named != rest and _FUNCTION.fullmatch(named):
                return LambdaFunction(text, shape, region=region, function=plain)
    raise _wrong(text, "it is no ARN of an SQS queue, SNS topic or Lambda function")


def _graph(text: str, shape: Shape, endpoint: str, urn: str) -> GraphFunction:
    match urn.split(":"):
        case ["urn", "fss", _, project, "function", _, _, _] if _URN.fullmatch(urn):
            return GraphFunction(
                text, shape, endpoint=endpoint, project=project, urn=urn
            )
    raise _wrong(
        text, "a function's URN is urn:fss:region:project:function:package:name:version"
    )


def _wrong(text: str, why: str) -> DestinationError:
    shown = _shown(text)
    return DestinationError(
        f"The destination {shown!r} cannot be used: {why}. Allowed: {FORMS}.",
        destination=shown,
    )


def _shown(text: str) -> str:
    """*text* up to its host: paths and queries of webhooks hold tokens."""
    plain = text.partition("#")[0]
    if plain.startswith(("arn:", "urn:", "s3://", "file://", "sqs://", "lambda://")):
        head, at, tail = plain.rpartition("@")
        return (f"{head.partition('//')[0]}//…@{tail}" if at else plain).split("?")[0]
    scheme, mark, rest = plain.partition("://")
    if not mark:
        return "…"
    host = re.split(r"[/?]", rest, maxsplit=1)[0].rpartition("@")[2]
    return f"{scheme}://{host}"
