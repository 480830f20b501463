"""The body of `POST /jobs`: what a stranger may ask for, and nothing of this host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, ValidationError

from ..contract import Amount, Value
from ..contract.job import Tag
from ..errors import UsageError
from ..jobs.ingest import Rule
from ..jobs.sources import ELSEWHERE, comes_from
from ..plan.profile import ClipProfile
from ..request import Request

_LONGEST_SECONDS = 366 * 86_400
_LARGEST_MIB = 2**31
_MOST_CHUNKS = 10_000
_MOST_TAGS = 50
_LONGEST_ADDRESS = 8192


def _no_path(name: str) -> str:
    # `Wiring` takes what ends so for a file, in whatever folder we were started.
    if name.casefold().endswith(".toml"):
        raise ValueError("is the name of a file")
    return name


def _no_zero(text: str) -> str:
    if "\0" in text:
        raise ValueError("has a zero byte, which no address has")
    return text


Name = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
    AfterValidator(_no_path),
]
"""Of what ships or lies in our own folders; a path could read any file here."""


class Asked(Value):
    """One job, by hand. What is not given is as the server's own options say."""

    source: Annotated[
        str,
        StringConstraints(min_length=1, max_length=_LONGEST_ADDRESS),
        AfterValidator(_no_zero),
    ]
    """`s3://bucket/key`, or an address under one of the server's `--source`."""
    profile: Name | None = None
    platform: Name | None = None
    deadline_seconds: Annotated[float, Field(gt=0, le=_LONGEST_SECONDS)] | None = None
    """From now to the manifest."""
    budget: Annotated[Amount, Field(ge=0)] | None = None
    """As text, in the platform's currency."""
    memory_mib: Annotated[int, Field(ge=1, le=_LARGEST_MIB)] | None = None
    optimize: Literal["cost", "time", "balanced"] | None = None
    chunks: Annotated[int, Field(ge=1, le=_MOST_CHUNKS)] | None = None
    accept_partial: bool | None = None
    clip: ClipProfile | None = None
    tags: Annotated[Mapping[Tag, Tag], Field(max_length=_MOST_TAGS)] = Field(
        default_factory=dict
    )
    """Over those of the server."""
    priority: Annotated[int, Field(ge=-1000, le=1000)] | None = None


def read(body: bytes) -> Asked:
    """Raises `UsageError` naming the field."""
    try:
        return Asked.from_json(body)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the document"
        said = first["msg"].rstrip(".")
        if field.endswith(("profile", "platform")):
            said += "; over HTTP a path is none"
        raise UsageError(f"In the body, {field}: {said}.", field=field) from exc


def outside(source: str, why: str) -> UsageError:
    """What is said of a source that is none for this server."""
    return UsageError(
        f"{source!r} is refused: {why}. This server takes them from s3:// by default, "
        "else from those given by --source.",
        uri=source,
    )


def request_for(
    asked: Asked, rule: Rule, sources: Sequence[str] | None
) -> tuple[Request, dict[str, str], int]:
    """
    The request, tags and priority; raises `UsageError` for a source out of bounds.
    """
    if not comes_from(asked.source, sources):
        raise outside(asked.source, ELSEWHERE)
    given = asked.model_dump(exclude_none=True, exclude={"tags", "priority"})
    if "budget" in given:
        given["budget"] = format(given["budget"], "f")
    request = Request.model_validate({**rule.request.model_dump(), **given})
    priority = rule.priority if asked.priority is None else asked.priority
    return request, {**rule.tags, **asked.tags}, priority
