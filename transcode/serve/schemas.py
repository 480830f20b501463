"""What a stranger may ask for in a body, and nothing of this host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from ..contract import Amount, Position, Value
from ..contract.job import Tag
from ..errors import UsageError
from ..jobs.ingest import Rule
from ..jobs.sources import ELSEWHERE, comes_from
from ..media.metrics import METRICS
from ..plan.profile import ClipProfile
from ..request import Request

_LONGEST_SECONDS = 366 * 86_400
_LARGEST_MIB = 2**31
_VMAF, _XPSNR = METRICS["vmaf"], METRICS["xpsnr"]
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


ImageName = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\.(png|jpg|jpeg|webp)$"
    ),
]
"""Of what lies beside our own profiles; a path could read any file here."""


class MarkAsked(Value):
    """An image over every picture."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    image: ImageName
    """Name of a PNG, JPEG or WebP file in the server's `TRANSCODE_PROFILES_DIR`."""
    position: Position = "bottom-right"
    margin: Annotated[float, Field(ge=0, lt=0.5)] = 0.03
    """From the edges, as a share of the frame's short side."""
    size: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Share of the frame's width and height that it may fill."""
    opacity: Annotated[float, Field(gt=0, le=1)] = 1.0


class PlanAsked(Value):
    """What is to be planned. What is not given is as the server's own options say."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    source: Annotated[
        str,
        StringConstraints(min_length=1, max_length=_LONGEST_ADDRESS),
        AfterValidator(_no_zero),
    ]
    """`s3://bucket/key`, or an address under one of the server's `--source`."""
    profile: Name | None = None
    """The name of what is to be made, never a path."""
    platform: Name | None = None
    """The name of whose specs and prices count, never a path."""
    deadline_seconds: Annotated[float, Field(gt=0, le=_LONGEST_SECONDS)] | None = None
    """From now to the manifest."""
    budget: Annotated[Amount, Field(ge=0)] | None = None
    """As text, in the platform's currency."""
    memory_mib: Annotated[int, Field(ge=1, le=_LARGEST_MIB)] | None = None
    """Exactly so much, instead of choosing."""
    optimize: Literal["cost", "time", "balanced"] | None = None
    """What a better spec is."""
    chunks: Annotated[int, Field(ge=1, le=_MOST_CHUNKS)] | None = None
    """Encode in so many parts at once; 1: in one piece."""
    accept_partial: bool | None = None
    """Of a cut or damaged source, make what is there."""
    target_vmaf: Annotated[float, Field(ge=_VMAF.least, le=_VMAF.most)] | None = None
    """So good is each rendition to be; its rate factor is searched for."""
    target_xpsnr: Annotated[float, Field(ge=_XPSNR.least, le=_XPSNR.most)] | None = None
    """The same as XPSNR, dB; one of both."""
    clip: ClipProfile | None = None
    """Only this part of the source."""
    watermark: MarkAsked | None = None
    """An image over every picture."""


class Asked(PlanAsked):
    """One job, by hand. What is not given is as the server's own options say."""

    sample: Literal["auto", "always", "never"] | None = None
    """Encode a few short parts first."""
    tags: Annotated[Mapping[Tag, Tag], Field(max_length=_MOST_TAGS)] = Field(
        default_factory=dict
    )
    """Over those of the server."""
    priority: Annotated[int, Field(ge=-1000, le=1000)] | None = None
    """Higher first; between equals the older first."""


Body = TypeVar("Body", bound=PlanAsked)


def read(body: bytes, kind: type[Body]) -> Body:
    """Raises `UsageError` naming the field."""
    try:
        return kind.from_json(body)
    except ValidationError as exc:
        raise _wrong(exc) from exc


def _wrong(exc: ValidationError) -> UsageError:
    first = exc.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "the document"
    said = first["msg"].rstrip(".")
    if field.endswith(("profile", "platform", "image")):
        said += "; over HTTP a path is none"
    return UsageError(f"In the body, {field}: {said}.", field=field)


def outside(source: str, why: str) -> UsageError:
    """What is said of a source that is none for this server."""
    return UsageError(
        f"{source!r} is refused: {why}. This server takes them from s3:// by default, "
        "else from those given by --source.",
        uri=source,
    )


def request_for(
    asked: PlanAsked, rule: Rule, sources: Sequence[str] | None, images: str | None
) -> Request:
    """
    The request; raises `UsageError` for a source out of bounds, and for a watermark
    where there is no folder of *images*.
    """
    if not comes_from(asked.source, sources):
        raise outside(asked.source, ELSEWHERE)
    given = asked.model_dump(exclude_none=True, exclude={"tags", "priority"})
    if "budget" in given:
        given["budget"] = format(given["budget"], "f")
    if asked.watermark is not None:
        if images is None:
            raise UsageError(
                "In the body, watermark.image: this server has no images; name their "
                "folder in TRANSCODE_PROFILES_DIR.",
                field="watermark.image",
            )
        image = Path(images).absolute() / asked.watermark.image
        given["watermark"]["image"] = str(image)
    try:
        return Request.model_validate({**rule.request.model_dump(), **given})
    except ValidationError as exc:
        raise _wrong(exc) from exc


def marks_of(asked: Asked, rule: Rule) -> tuple[dict[str, str], int]:
    """Tags and priority of the job."""
    priority = rule.priority if asked.priority is None else asked.priority
    return {**rule.tags, **asked.tags}, priority
